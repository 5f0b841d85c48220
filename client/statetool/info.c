/* `flink state info` and `flink state ls`: what a snapshot is made of, for people.
 *
 * Thread: main. */
#include "client/statetool/statetool.h"

#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/data/value_print.h"
#include "engine/snapshot/metadata.h"
#include "engine/snapshot/operator_part.h"
#include "engine/snapshot/segment.h"

static void print_bytes(uint64_t bytes, struct str *out)
{
    static const char *const UNITS[] = {"bytes", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_LEN(UNITS)) {
        value /= 1024;
        unit++;
    }
    str_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, UNITS[unit]);
}

static const char *kind_text(const Flinc__CheckpointMetadata *m)
{
    static const char *const TEXTS[] = {"incremental checkpoint", "full checkpoint",
                                        "savepoint (canonical)", "savepoint (native)"};
    return TEXTS[m->kind];
}

/* ---- sizes ------------------------------------------------------------------------------------ */

struct sizes {
    struct map seen; /* by URI: shared files count once */
    uint64_t file_bytes, n_files, shared_bytes, n_shared;
};

static void count_file(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    struct sizes *s = arg;
    bool is_new = map_put(&s->seen, uri, s);
    s->n_files += is_new;
    s->n_shared += is_new && blob->shared;
    if (blob->merged_since != 0) { /* several in a file, each with bytes of its own */
        STR_AUTO place = STR_INIT;
        str_printf(&place, "%s %llu", uri, (unsigned long long)blob->offset);
        is_new = map_put(&s->seen, str_cstr(&place), s);
    }
    s->file_bytes += is_new ? blob->size : 0;
    s->shared_bytes += is_new && blob->shared ? blob->size : 0;
}

struct state_bytes {
    uint64_t keyed, other, in_flight;
    uint64_t saved;  /* of the keyed ones, by compression */
    uint64_t inside; /* of all, those inside _metadata */
    uint32_t n_subtasks;
};

static void count_keyed(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    struct state_bytes *b = arg;
    (void)checkpoint_id;
    b->inside += blob->inline_data.len;
    b->keyed += blob->size;
}

static void count_other(struct state_bytes *b, const Flinc__StateBlob *blob)
{
    b->inside += blob->inline_data.len;
    b->other += blob->size;
}

static struct state_bytes operator_bytes(const Flinc__OperatorSnapshot *o)
{
    struct state_bytes b = {0};
    for (size_t i = 0; i < o->n_subtasks; i++) {
        const Flinc__OperatorSubtaskState *s = o->subtasks[i]->state;
        b.n_subtasks += s != NULL && s->n_keyed + s->n_operator_state + s->n_channels > 0;
        for (size_t k = 0; s != NULL && k < s->n_keyed; k++) {
            keyed_handle_each_blob(s->keyed[k], count_keyed, &b);
            for (size_t g = 0; g < s->keyed[k]->n_segments; g++) {
                b.saved += s->keyed[k]->segments[g]->saved_bytes;
            }
        }
        for (size_t k = 0; s != NULL && k < s->n_operator_state; k++) {
            count_other(&b, s->operator_state[k]->blob);
        }
        for (size_t k = 0; s != NULL && k < s->n_channels; k++) {
            b.in_flight += s->channels[k]->blob->size;
            b.inside += s->channels[k]->blob->inline_data.len;
        }
    }
    return b;
}

/* ---- info ------------------------------------------------------------------------------------- */

static void print_operator(const Flinc__OperatorSnapshot *o, struct str *out)
{
    char hex[33];
    struct state_bytes b = operator_bytes(o);
    operator_id_hex(o, hex);
    str_printf(out, "\n%s  %s\n", hex, o->name);
    str_printf(out, "    parallelism %u (at most %u)%s%s%s\n", o->parallelism, o->max_parallelism,
               o->uid[0] != '\0' ? ", uid " : "", o->uid, o->fully_finished ? ", finished" : "");
    str_append_cstr(out, "    keyed state ");
    print_bytes(b.keyed, out);
    if (b.saved > 0) {
        str_append_cstr(out, " (");
        print_bytes(b.keyed + b.saved, out);
        str_append_cstr(out, " before compression)");
    }
    str_append_cstr(out, ", operator state ");
    print_bytes(b.other, out);
    if (b.in_flight > 0) {
        str_append_cstr(out, ", in flight ");
        print_bytes(b.in_flight, out);
    }
    str_printf(out, ", in %u subtasks", b.n_subtasks);
    if (o->has_coordinator_state) {
        str_append_cstr(out, ", coordinator ");
        print_bytes(o->coordinator_state.len, out);
    }
    str_append_char(out, '\n');
}

int state_info(const struct open_snapshot *s, struct text_sink *sink, struct error *err)
{
    const Flinc__CheckpointMetadata *m = s->m;
    struct str *out = &sink->text;
    struct sizes sizes = {.n_files = 0};
    struct data_type *time = type_new_precision(TYPE_TIMESTAMP_LTZ, 3, 0, true);
    map_init(&sizes.seen, NULL);
    snapshot_each_file(m, str_cstr(&s->directory), count_file, &sizes);
    str_printf(out, "%s\n", str_cstr(&s->directory));
    str_printf(out, "    %s %llu%s\n", kind_text(m), (unsigned long long)m->checkpoint_id,
               m->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE ? ""
               : m->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND
                   ? ", the job stopped with it"
                   : ", the job was drained with it");
    str_append_cstr(out, "    job ");
    for (size_t i = 0; i < m->job_id.len; i++) {
        str_printf(out, "%02x", m->job_id.data[i]);
    }
    str_printf(out, " ('%s')\n    taken ", m->job_name);
    value_print_timestamp(time, (struct ts_nano){.millis = m->timestamp_ms}, out);
    str_printf(out, " by %s\n    ",
               m->written_by[0] != '\0' ? m->written_by : "an unknown program");
    uint64_t inside = 0;
    for (size_t i = 0; i < m->n_operators; i++) {
        inside += operator_bytes(m->operators[i]).inside;
    }
    print_bytes(inside, out);
    str_append_cstr(out, " in _metadata, ");
    print_bytes(sizes.file_bytes, out);
    str_printf(out, " in %llu files", (unsigned long long)sizes.n_files);
    if (sizes.n_shared > 0) {
        str_append_cstr(out, ", of these ");
        print_bytes(sizes.shared_bytes, out);
        str_printf(out, " in %llu shared with other checkpoints",
                   (unsigned long long)sizes.n_shared);
    }
    str_printf(out, "; %zu operators\n", m->n_operators);
    for (size_t i = 0; i < m->n_operators; i++) {
        print_operator(m->operators[i], out);
    }
    map_fini(&sizes.seen);
    type_unref(time);
    return text_sink_drain(sink, 0, err);
}

/* ---- ls --------------------------------------------------------------------------------------- */

/* A state of an operator over all subtasks. */
struct listed {
    char *name, *kind; /* Owns */
    struct str key, value;
    uint64_t ttl_ms;
    uint64_t n_segments, n_put, n_removed, size_bytes;
    uint32_t first_group, last_group;
};

static void listed_free(void *item)
{
    struct listed *l = item;
    mem_free(l->name);
    mem_free(l->kind);
    str_fini(&l->key);
    str_fini(&l->value);
    mem_free(l);
}

static void print_schema(const struct schema *schema, struct str *out)
{
    str_clear(out);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        str_printf(out, "%s%s ", i > 0 ? ", " : "", schema->fields[i].name);
        type_print(schema->fields[i].type, out);
    }
}

static struct listed *listed_of(struct map *states, const struct segment_state *s)
{
    struct listed *l = map_find(states, s->name);
    if (l == NULL) {
        l = MEM_NEW(struct listed);
        l->name = mem_strdup(s->name);
        l->kind = mem_strdup(s->kind);
        l->ttl_ms = s->ttl_ms;
        l->first_group = UINT32_MAX;
        print_schema(s->key_schema, &l->key);
        print_schema(s->value_schema, &l->value);
        map_put(states, s->name, l);
    }
    return l;
}

static int list_segment(const struct open_snapshot *s, const Flinc__KeyedSegment *segment,
                        struct map *states, struct error *err)
{
    struct segment_reader *r = NULL;
    TRY(segment_reader_open(segment, str_cstr(&s->directory), &r, err));
    for (uint32_t i = 0; i < segment_reader_n_states(r); i++) {
        struct segment_stats stats;
        struct listed *l = listed_of(states, segment_reader_state(r, i));
        segment_reader_stats(r, i, &stats);
        l->n_segments++;
        l->n_put += stats.n_put_rows;
        l->n_removed += stats.n_removed_rows;
        l->size_bytes += stats.size_bytes;
        l->first_group = MIN(l->first_group, segment->first_group);
        l->last_group = MAX(l->last_group, segment->last_group);
    }
    segment_reader_close(r);
    return 0;
}

static void print_listed(const struct listed *l, struct str *out)
{
    str_printf(out, "  %s (%s)\n", l->name, l->kind);
    str_printf(out, "      key (%s)\n      value (%s)\n", str_cstr(&l->key), str_cstr(&l->value));
    str_printf(out, "      key groups %u to %u, %llu rows", l->first_group, l->last_group,
               (unsigned long long)l->n_put);
    if (l->n_removed > 0) {
        str_printf(out, " and %llu removals", (unsigned long long)l->n_removed);
    }
    str_printf(out, " in %llu segments, ", (unsigned long long)l->n_segments);
    print_bytes(l->size_bytes, out);
    if (l->ttl_ms > 0) {
        str_printf(out, ", time to live %llu ms", (unsigned long long)l->ttl_ms);
    }
    str_append_char(out, '\n');
}

struct listed_part {
    const Flinc__OperatorStatePart *part;
    uint64_t n_items, size_bytes;
    uint32_t n_subtasks;
};

static void list_part(struct vec *parts, const Flinc__OperatorStatePart *p)
{
    struct listed_part *l = NULL;
    for (size_t i = 0; i < parts->len && l == NULL; i++) {
        struct listed_part *other = VEC_AT(parts, struct listed_part, i);
        l = strcmp(other->part->name, p->name) == 0 ? other : NULL;
    }
    if (l == NULL) {
        l = VEC_PUSH(parts, struct listed_part);
        l->part = p;
    }
    l->n_subtasks++;
    l->n_items += operator_part_items(p);
    l->size_bytes += operator_part_bytes(p);
}

static void print_part(const struct listed_part *l, struct str *out)
{
    static const char *const MODES[] = {"list", "union list", "broadcast"};
    str_printf(out, "  %s (%s)\n      items %s\n      %llu in %u subtasks, ", l->part->name,
               MODES[l->part->mode], l->part->schema, (unsigned long long)l->n_items,
               l->n_subtasks);
    print_bytes(l->size_bytes, out);
    str_append_char(out, '\n');
}

static int list_operator(const struct open_snapshot *s, const Flinc__OperatorSnapshot *o,
                         const struct state_filter *filter, struct str *out, struct error *err)
{
    struct map states;
    struct vec parts = VEC_INIT(struct listed_part);
    char hex[33];
    int rc = 0;
    map_init(&states, listed_free);
    for (size_t i = 0; i < o->n_subtasks && rc == 0; i++) {
        const Flinc__OperatorSubtaskState *t = o->subtasks[i]->state;
        for (size_t k = 0; t != NULL && k < t->n_keyed && rc == 0; k++) {
            for (size_t g = 0; g < t->keyed[k]->n_segments && rc == 0; g++) {
                rc = list_segment(s, t->keyed[k]->segments[g], &states, err);
            }
        }
        for (size_t k = 0; t != NULL && k < t->n_operator_state; k++) {
            for (size_t g = 0; g < t->operator_state[k]->n_parts; g++) {
                list_part(&parts, t->operator_state[k]->parts[g]);
            }
        }
    }
    operator_id_hex(o, hex);
    str_printf(out, "%s  %s\n", hex, o->name);
    MAP_FOREACH (&states, e) {
        if (filter->state == NULL || strcmp(filter->state, e->key) == 0) {
            print_listed(e->value, out);
        }
    }
    for (size_t i = 0; i < parts.len; i++) {
        const struct listed_part *l = VEC_AT(&parts, struct listed_part, i);
        if (filter->state == NULL || strcmp(filter->state, l->part->name) == 0) {
            print_part(l, out);
        }
    }
    map_fini(&states);
    vec_fini(&parts);
    return rc;
}

int state_list(const struct open_snapshot *s, const struct state_filter *filter,
               struct text_sink *out, struct error *err)
{
    for (size_t i = 0; i < s->m->n_operators; i++) {
        if (state_filter_has_operator(filter, s->m->operators[i])) {
            TRY(list_operator(s, s->m->operators[i], filter, &out->text, err));
            TRY(text_sink_drain(out, 0, err));
        }
    }
    return 0;
}
