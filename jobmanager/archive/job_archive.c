/* The text of an archive: every answer of REST that Flink archives; see archive.h.
 *
 * An answer is made in a text of its own and quoted into the archive's, which leaves in pieces; so no more than
 * one answer is in memory.  Thread: any. */
#include "jobmanager/archive/archive.h"

#include "jobmanager/rest/rest.h"
#include "jobmanager/rest/shape/shape.h"
#include <stdio.h>

enum { PIECE_BYTES = 64 * 1024 };

struct job_archive {
    const struct job_details *d;
    const struct conf *conf;
    int (*write)(void *arg, const void *data, size_t size, struct error *err);
    void *arg;
    struct error *err;
    int rc; /* of the first write that failed; nothing is written after it */
    char id[ID_HEX_LEN + 1];
    uint32_t n_entries;
    struct str out;    /* quoted, not written yet */
    struct str path;   /* of the entry that is being made */
    struct str answer; /* its JSON */
    struct json_writer w;
};

static void flush(struct job_archive *a)
{
    if (a->rc == 0 && a->out.len > 0) {
        a->rc = a->write(a->arg, a->out.data, a->out.len, a->err);
    }
    str_clear(&a->out);
}

/* Begins the entry of "/jobs/<id>" + the rest. */
static struct json_writer *begin(struct job_archive *a, const char *fmt, ...) PRINTF(2, 3);
static struct json_writer *begin(struct job_archive *a, const char *fmt, ...)
{
    va_list ap;
    str_clear(&a->path);
    str_clear(&a->answer);
    str_printf(&a->path, "/jobs/%s", a->id);
    va_start(ap, fmt);
    str_vprintf(&a->path, fmt, ap);
    va_end(ap);
    json_writer_init(&a->w, &a->answer, JSON_STYLE_COMPACT);
    return &a->w;
}

static void end(struct job_archive *a)
{
    json_writer_finish(&a->w);
    str_append_cstr(&a->out, a->n_entries++ > 0 ? ",{\"path\":" : "{\"path\":");
    json_append_quoted(&a->out, str_slice(&a->path));
    str_append_cstr(&a->out, ",\"json\":");
    json_append_quoted(&a->out, str_slice(&a->answer));
    str_append_char(&a->out, '}');
    if (a->out.len >= PIECE_BYTES) {
        flush(a);
    }
}

/* ---- the job -------------------------------------------------------------------------------------- */

static void overview_of(const struct job_details *d, struct job_overview *ret)
{
    *ret = (struct job_overview){
        .id = d->id,
        .runtime_mode = d->runtime_mode,
        .status = d->status,
        .is_adaptive = d->elastic != NULL,
        .start_ms = job_start_ms(d),
        .end_ms = job_end_ms(d),
        .last_modification_ms = job_end_ms(d),
    };
    (void)snprintf(ret->name, sizeof(ret->name), "%s", d->name);
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        const struct vertex_details *v = &d->vertices[i];
        ret->tasks_total += v->n_subtasks;
        for (uint32_t s = 0; s < v->n_subtasks; s++) {
            ret->tasks_by_state[v->subtasks[s].current.state]++;
        }
    }
}

static void put_overview(struct job_archive *a)
{
    struct job_overview overview;
    struct json_writer *w = begin(a, "%s", "");
    overview_of(a->d, &overview);
    str_clear(&a->path);
    str_append_cstr(&a->path, "/jobs/overview");
    json_writer_object(w);
    json_writer_key(w, "jobs");
    json_writer_array(w);
    rest_write_job_overview(w, &overview, a->d->taken_ms);
    json_writer_end(w);
    json_writer_end(w);
    end(a);
}

static void put_job(struct job_archive *a)
{
    const struct rest_exceptions_query all = {.max = JOB_ARCHIVE_EXCEPTIONS_MAX};
    struct json_writer *w;
    rest_write_job(begin(a, "%s", ""), a->d);
    end(a);
    rest_write_job_config(begin(a, "/config"), a->d);
    end(a);
    rest_write_job_exceptions(begin(a, "/exceptions"), a->d, &all);
    end(a);
    w = begin(a, "/plan");
    json_writer_object(w);
    json_writer_key(w, "plan");
    json_writer_raw(w, slice_cstr(a->d->plan_json));
    json_writer_end(w);
    end(a);
    rest_write_job_accumulators(begin(a, "/accumulators"), a->d);
    end(a);
    conf_write_json(a->conf, begin(a, "/jobmanager/config"));
    end(a);
    rest_write_own_environment(begin(a, "/jobmanager/environment"), a->conf);
    end(a);
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

static void put_checkpoint(struct job_archive *a, const struct checkpoint_details *c)
{
    char hex[ID_HEX_LEN + 1];
    unsigned long long id = c->id;
    rest_write_checkpoint(begin(a, "/checkpoints/details/%llu", id), c);
    end(a);
    for (uint32_t i = 0; i < c->n_vertices; i++) {
        id_format(&c->vertices[i].vertex_id, hex);
        rest_write_vertex_checkpoint(begin(a, "/checkpoints/details/%llu/subtasks/%s", id, hex), c,
                                     &c->vertices[i]);
        end(a);
    }
}

static bool is_in_history(const struct checkpoint_stats *s, const struct checkpoint_details *c)
{
    bool is = c == NULL;
    for (uint32_t i = 0; i < s->n_history; i++) {
        is |= s->history[i] == c || (c != NULL && s->history[i]->id == c->id);
    }
    return is;
}

static void put_checkpoints(struct job_archive *a)
{
    const struct checkpoint_stats *s = a->d->checkpoints;
    if (s == NULL) {
        return;
    }
    rest_write_checkpoint_statistics(begin(a, "/checkpoints"), s);
    end(a);
    rest_write_checkpoint_config(begin(a, "/checkpoints/config"), &s->config);
    end(a);
    for (uint32_t i = 0; i < s->n_history; i++) {
        put_checkpoint(a, s->history[i]);
    }
    const struct checkpoint_details *latest[] = {s->latest_completed, s->latest_savepoint,
                                                 s->latest_failed};
    for (size_t i = 0; i < ARRAY_LEN(latest); i++) {
        bool is_twice = false;
        for (size_t k = 0; k < i; k++) {
            is_twice |= latest[k] == latest[i];
        }
        if (!is_twice && !is_in_history(s, latest[i])) {
            put_checkpoint(a, latest[i]);
        }
    }
}

/* ---- vertices ------------------------------------------------------------------------------------- */

static void put_attempt(struct job_archive *a, const char *vertex, const struct rest_attempt *t)
{
    unsigned n = t->attempt->number;
    rest_write_attempt(begin(a, "/vertices/%s/subtasks/%u/attempts/%u", vertex, t->subtask, n), t);
    end(a);
    rest_write_attempt_accumulators(
        begin(a, "/vertices/%s/subtasks/%u/attempts/%u/accumulators", vertex, t->subtask, n), t);
    end(a);
}

static void put_subtasks(struct job_archive *a, const char *hex, const struct vertex_details *v)
{
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        const struct subtask_details *s = &v->subtasks[i];
        struct rest_attempt t = {.job = a->d, .vertex = v, .subtask = i, .attempt = &s->current};
        rest_write_attempt(begin(a, "/vertices/%s/subtasks/%u", hex, i), &t);
        end(a);
        put_attempt(a, hex, &t);
        for (uint32_t p = 0; p < s->n_prior; p++) {
            t.attempt = &s->prior[p];
            put_attempt(a, hex, &t);
        }
    }
}

static void put_vertex(struct job_archive *a, const struct vertex_details *v)
{
    char hex[ID_HEX_LEN + 1];
    id_format(&v->id, hex);
    rest_write_vertex(begin(a, "/vertices/%s", hex), a->d, v);
    end(a);
    rest_write_subtask_times(begin(a, "/vertices/%s/subtasktimes", hex), a->d, v);
    end(a);
    rest_write_vertex_taskmanagers(begin(a, "/vertices/%s/taskmanagers", hex), a->d, v);
    end(a);
    rest_write_vertex_accumulators(begin(a, "/vertices/%s/accumulators", hex), v);
    end(a);
    rest_write_subtask_accumulators(begin(a, "/vertices/%s/subtasks/accumulators", hex), v);
    end(a);
    put_subtasks(a, hex, v);
}

/* ---- rescales ------------------------------------------------------------------------------------- */

static void put_rescales(struct job_archive *a)
{
    const Flinc__ElasticJob *e = a->d->elastic;
    if (e == NULL) {
        return;
    }
    rest_write_rescale_config(begin(a, "/rescales/config"), a->d);
    end(a);
    struct json_writer *w = begin(a, "/rescales/history");
    json_writer_array(w);
    for (size_t i = e->n_rescales; i > 0; i--) {
        rest_write_rescale(w, a->d, e->rescales[i - 1]);
    }
    json_writer_end(w);
    end(a);
    for (size_t i = 0; i < e->n_rescales; i++) {
        STR_AUTO hex = STR_INIT;
        str_append_hex(&hex, e->rescales[i]->uuid.data, e->rescales[i]->uuid.len);
        rest_write_rescale(begin(a, "/rescales/details/%s", str_cstr(&hex)), a->d, e->rescales[i]);
        end(a);
    }
}

int job_archive_write(const struct job_details *d, const struct conf *conf,
                      int (*write)(void *arg, const void *data, size_t size, struct error *err),
                      void *arg, struct error *err)
{
    struct job_archive a = {.d = d, .conf = conf, .write = write, .arg = arg, .err = err};
    id_format(&d->id, a.id);
    str_append_cstr(&a.out, "{\"archive\":[");
    put_overview(&a);
    put_job(&a);
    put_checkpoints(&a);
    for (uint32_t i = 0; i < d->n_vertices && a.rc == 0; i++) {
        put_vertex(&a, &d->vertices[i]);
    }
    put_rescales(&a);
    str_append_cstr(&a.out, "]}");
    flush(&a);
    str_fini(&a.out);
    str_fini(&a.path);
    str_fini(&a.answer);
    return a.rc;
}
