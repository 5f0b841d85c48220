/* Lists and aggregates of metrics; see metric_answer.h. */
#include "jobmanager/rest/metric_answer.h"
#include "common/text/number.h"
#include <math.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *name;
    enum metric_aggregation aggregation;
} aggregation_names[] = {
    {"min", METRIC_AGG_MIN}, {"max", METRIC_AGG_MAX},   {"avg", METRIC_AGG_AVG},
    {"sum", METRIC_AGG_SUM}, {"skew", METRIC_AGG_SKEW},
};

uint32_t metric_aggregation_parse(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(aggregation_names); i++) {
        if (strcasecmp(name, aggregation_names[i].name) == 0) {
            return aggregation_names[i].aggregation;
        }
    }
    return 0;
}

/* ---- lists ---------------------------------------------------------------------------------------- */

static void write_metric(struct json_writer *w, const struct metric_source *source, const char *id,
                         const char *value)
{
    json_writer_object(w);
    json_writer_key(w, "id");
    json_writer_printf(w, "%s%s", source->prefix, id);
    if (value != NULL) {
        json_writer_put_string(w, "value", value);
    }
    json_writer_end(w);
}

void metric_answer_list(struct json_writer *w, const struct metric_source *sources, size_t n,
                        const struct metric_names *get)
{
    json_writer_array(w);
    for (size_t i = 0; i < n && get->n == 0; i++) {
        MAP_FOREACH (&sources[i].set->values, e) {
            write_metric(w, &sources[i], e->key, NULL);
        }
    }
    for (size_t k = 0; k < get->n; k++) {
        for (size_t i = 0; i < n; i++) {
            size_t prefix_len = strlen(sources[i].prefix);
            if (strncmp(get->ids[k], sources[i].prefix, prefix_len) != 0) {
                continue;
            }
            const char *value = metric_set_get(sources[i].set, get->ids[k] + prefix_len);
            if (value != NULL) {
                write_metric(w, &sources[i], get->ids[k] + prefix_len, value);
                break;
            }
        }
    }
    json_writer_end(w);
}

/* ---- aggregates ----------------------------------------------------------------------------------- */

static void write_all_ids(struct json_writer *w, const struct metric_source *sources, size_t n)
{
    struct map seen;
    map_init(&seen, NULL);
    json_writer_array(w);
    for (size_t i = 0; i < n; i++) {
        MAP_FOREACH (&sources[i].set->values, e) {
            if (map_put(&seen, e->key, &seen)) {
                json_writer_object(w);
                json_writer_put_string(w, "id", e->key);
                json_writer_end(w);
            }
        }
    }
    json_writer_end(w);
    map_fini(&seen);
}

/* The values of a metric; false: one of them is no number. */
static bool collect(const struct metric_source *sources, size_t n, const char *id,
                    struct vec *values)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = metric_set_get(sources[i].set, id);
        double value;
        if (text == NULL) {
            continue;
        }
        if (number_parse_double(slice_cstr(text), &value) < 0) {
            return false;
        }
        *VEC_PUSH(values, double) = value;
    }
    return true;
}

/* How uneven: the average distance from the mean, in percent of it, at most 100. */
static double skew(const double *values, size_t n, double sum)
{
    double mean = sum / (double)n, distance = 0;
    if (mean == 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        distance += fabs(values[i] - mean);
    }
    return fmin(100.0, distance / (double)n / mean * 100.0);
}

static void write_aggregate(struct json_writer *w, const char *id, const struct vec *v,
                            uint32_t aggregations)
{
    const double *values = v->data;
    double min = values[0], max = values[0], sum = 0;
    for (size_t i = 0; i < v->len; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
        sum += values[i];
    }
    const double results[] = {min, max, sum / (double)v->len, sum, skew(values, v->len, sum)};
    json_writer_object(w);
    json_writer_put_string(w, "id", id);
    for (size_t i = 0; i < ARRAY_LEN(aggregation_names); i++) {
        if ((aggregations & (uint32_t)aggregation_names[i].aggregation) != 0) {
            json_writer_put_double(w, aggregation_names[i].name, results[i]);
        }
    }
    json_writer_end(w);
}

void metric_answer_aggregate(struct json_writer *w, const struct metric_source *sources, size_t n,
                             const struct metric_names *get, uint32_t aggregations)
{
    if (get->n == 0) {
        write_all_ids(w, sources, n);
        return;
    }
    struct vec *values = MEM_NEW_ARRAY(struct vec, get->n);
    bool all = true;
    for (size_t k = 0; k < get->n; k++) {
        vec_init(&values[k], sizeof(double));
        all = all && collect(sources, n, get->ids[k], &values[k]) && values[k].len > 0;
    }
    json_writer_array(w);
    for (size_t k = 0; k < get->n && all; k++) {
        write_aggregate(w, get->ids[k], &values[k], aggregations);
    }
    json_writer_end(w);
    for (size_t k = 0; k < get->n; k++) {
        vec_fini(&values[k]);
    }
    mem_free(values);
}

/* ---- ranges --------------------------------------------------------------------------------------- */

static bool parse_range(struct slice piece, uint64_t *ret_first, uint64_t *ret_last)
{
    struct slice rest = piece, first, last;
    if (!slice_next(&rest, '-', &first) || number_parse_uint64(slice_trim(first), ret_first) < 0) {
        return false;
    }
    if (!slice_next(&rest, '-', &last)) {
        *ret_last = *ret_first;
        return true;
    }
    return rest.data == NULL && number_parse_uint64(slice_trim(last), ret_last) == 0;
}

bool metric_parse_subtasks(const char *text, bool *wanted, uint32_t n)
{
    struct slice rest = slice_cstr(text), piece;
    while (slice_next(&rest, ',', &piece)) {
        uint64_t first, last;
        if (!parse_range(piece, &first, &last) || last < first) {
            return false;
        }
        for (uint64_t i = first; i <= last && i < n; i++) {
            wanted[i] = true;
        }
    }
    return true;
}
