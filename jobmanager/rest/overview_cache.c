/* The prepared text of /jobs/overview; see overview_cache.h. */
#include "jobmanager/rest/overview_cache.h"
#include "common/text/number.h"
#include "jobmanager/rest/shape/shape.h"

struct hole {
    size_t at;        /* offset in the text */
    int64_t start_ms; /* of the job whose duration goes there */
};
struct overview_text {
    _Atomic uint32_t refs;
    uint64_t version; /* of the dispatcher's jobs */
    struct str text;
    struct vec holes; /* of struct hole, ascending */
};

/* ---- text ----------------------------------------------------------------------------------------- */

static void append_job(struct overview_text *t, const struct job_overview *o)
{
    static const char duration_key[] = "\"duration\":";
    size_t start = t->text.len;
    struct json_writer w;
    json_writer_init(&w, &t->text, JSON_STYLE_COMPACT);
    rest_write_job_overview(&w, o, o->start_ms); /* a running job's duration is "0" now */
    json_writer_finish(&w);
    if (o->end_ms > 0 || o->start_ms <= 0) {
        return;
    }
    /* The key that the shape wrote: a name cannot hold it, since its quotes would be escaped. */
    const char *found = strstr(t->text.data + start, duration_key);
    ASSERT(found != NULL);
    size_t at = (size_t)(found - t->text.data) + sizeof(duration_key) - 1;
    ASSERT(t->text.data[at] == '0');
    memmove(t->text.data + at, t->text.data + at + 1, t->text.len - at); /* the NUL too */
    t->text.len--;
    *VEC_PUSH(&t->holes, struct hole) = (struct hole){at, o->start_ms};
}

struct overview_text *overview_text_new(const struct job_overviews *jobs, uint64_t version)
{
    struct overview_text *t = MEM_NEW(struct overview_text);
    t->refs = 1;
    t->version = version;
    vec_init(&t->holes, sizeof(struct hole));
    str_append_cstr(&t->text, "{\"jobs\":[");
    for (uint32_t i = 0; i < jobs->n; i++) {
        if (i > 0) {
            str_append_char(&t->text, ',');
        }
        append_job(t, &jobs->items[i]);
    }
    str_append_cstr(&t->text, "]}");
    return t;
}

void overview_text_unref(struct overview_text *t)
{
    if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1) {
        str_fini(&t->text);
        vec_fini(&t->holes);
        mem_free(t);
    }
}

void overview_text_append(const struct overview_text *t, int64_t now_ms, struct str *out)
{
    size_t from = 0;
    str_reserve(out, t->text.len + t->holes.len * NUMBER_TEXT_MAX);
    for (size_t i = 0; i < t->holes.len; i++) {
        const struct hole *h = VEC_AT(&t->holes, struct hole, i);
        char digits[NUMBER_TEXT_MAX];
        size_t n = number_format_int64(MAX(now_ms - h->start_ms, (int64_t)0), digits);
        str_append(out, t->text.data + from, h->at - from);
        str_append(out, digits, n);
        from = h->at;
    }
    str_append(out, t->text.data + from, t->text.len - from);
}

/* ---- cache ---------------------------------------------------------------------------------------- */

void overview_cache_init(struct overview_cache *c)
{
    pthread_mutex_init(&c->lock, NULL);
    c->text = NULL;
}

void overview_cache_fini(struct overview_cache *c)
{
    overview_text_unref(c->text);
    pthread_mutex_destroy(&c->lock);
}

static struct overview_text *current_text(struct overview_cache *c, uint64_t version)
{
    struct overview_text *t = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->text != NULL && c->text->version == version) {
        t = c->text;
        atomic_fetch_add(&t->refs, 1);
    }
    pthread_mutex_unlock(&c->lock);
    return t;
}

static void set_text(struct overview_cache *c, struct overview_text *t)
{
    struct overview_text *old = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->text == NULL || c->text->version < t->version) {
        old = c->text;
        c->text = t;
        atomic_fetch_add(&t->refs, 1);
    }
    pthread_mutex_unlock(&c->lock);
    overview_text_unref(old);
}

void overview_cache_append(struct overview_cache *c, struct dispatcher *d, int64_t now_ms,
                           struct str *out)
{
    /* The version is read before the jobs: a change in between makes the text older than it is. */
    uint64_t version = dispatcher_version(d);
    struct overview_text *t = current_text(c, version);
    if (t == NULL) {
        struct job_overviews jobs = {0};
        dispatcher_get_overviews(d, &jobs);
        t = overview_text_new(&jobs, version);
        job_overviews_fini(&jobs);
        set_text(c, t);
    }
    overview_text_append(t, now_ms, out);
    overview_text_unref(t);
}
