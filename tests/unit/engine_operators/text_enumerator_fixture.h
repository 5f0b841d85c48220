/* What the tests of the split enumerator share: readers that ask, and what they were answered. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_TEXT_ENUMERATOR_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_TEXT_ENUMERATOR_FIXTURE_H

#include "coordinator_fixture.h"

static inline Flinc__TextSourceConfig config_of(char **paths, size_t n)
{
    Flinc__TextSourceConfig c = FLINC__TEXT_SOURCE_CONFIG__INIT;
    c.n_paths = n;
    c.paths = paths;
    c.recursive = true;
    return c;
}

static inline void start(struct fake_coordinator *f, uint32_t parallelism, const char *path,
                         uint64_t split_bytes, uint64_t interval_ms)
{
    char *paths[] = {(char *)(uintptr_t)path};
    Flinc__TextSourceConfig c = config_of(paths, 1);
    c.split_bytes = split_bytes;
    c.discovery_interval_ms = interval_ms;
    fake_start(f, "flinc.source.text", parallelism, &c.base);
}

static inline void request(struct fake_coordinator *f, uint32_t subtask)
{
    Flinc__SourceReaderEvent e = FLINC__SOURCE_READER_EVENT__INIT;
    Flinc__RequestSplit r = FLINC__REQUEST_SPLIT__INIT;
    uint8_t bytes[64];
    r.subtask = subtask;
    e.body_case = FLINC__SOURCE_READER_EVENT__BODY_REQUEST_SPLIT;
    e.request_split = &r;
    size_t n = flinc__source_reader_event__pack(&e, bytes);
    must(f->c->desc->on_event(f->c, subtask, bytes, n, &err));
}

/* What was sent since the last call: "0: name+offset+length ..." or "0: end" per event. */
static inline const char *sent(struct fake_coordinator *f)
{
    static char text[8192];
    struct str out = STR_INIT;
    for (size_t i = 0; i < f->events.len; i++) {
        const struct fake_event *fe = VEC_AT(&f->events, struct fake_event, i);
        Flinc__EnumeratorEvent *e =
            flinc__enumerator_event__unpack(NULL, fe->bytes.len, (const uint8_t *)fe->bytes.data);
        assert_non_null(e);
        str_printf(&out, "%s%u:", i > 0 ? "\n" : "", fe->subtask);
        if (e->body_case == FLINC__ENUMERATOR_EVENT__BODY_NO_MORE) {
            str_append_cstr(&out, " end");
        }
        for (size_t k = 0;
             e->body_case == FLINC__ENUMERATOR_EVENT__BODY_ASSIGN && k < e->assign->n_splits; k++) {
            const Flinc__FileSplit *s = e->assign->splits[k];
            str_printf(&out, " %s+%llu+%llu%s", strrchr(s->path, '/') + 1,
                       (unsigned long long)s->offset, (unsigned long long)s->length,
                       s->whole_file ? "!" : "");
        }
        flinc__enumerator_event__free_unpacked(e, NULL);
    }
    fake_clear_events(f);
    snprintf(text, sizeof(text), "%s", str_cstr(&out));
    str_fini(&out);
    return text;
}

#endif
