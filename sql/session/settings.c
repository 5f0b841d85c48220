/* SET, RESET, and what the session itself reads of its configuration. */
#include "sql/exec/exec.h"
#include "sql/session/inside.h"
#include <stdlib.h>

static const struct conf_place session_place = {CONF_ORIGIN_PROGRAM, NULL, 0};

int sql_session_open_zone(struct sql_session *s, struct error *err)
{
    struct time_zone *zone = NULL;
    STR_AUTO name = STR_INIT;
    sql_exec_time_zone(&s->conf, &name);
    TRY_CTX(err, time_zone_open(str_cstr(&name), &zone, err), "reading table.local-time-zone");
    time_zone_free(s->zone);
    s->zone = zone;
    return 0;
}

int sql_session_is_batch(const struct sql_session *s, bool *ret, struct error *err)
{
    const char *mode = conf_string(&s->conf, "execution.runtime-mode");
    if (mode != NULL && strcasecmp(mode, "AUTOMATIC") == 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Unsupported mode 'AUTOMATIC' for 'execution.runtime-mode'. Only an "
                         "explicit BATCH or STREAMING mode is supported in SQL.");
    }
    *ret = mode != NULL && strcasecmp(mode, "BATCH") == 0;
    return 0;
}

/* ---- SET --------------------------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    const struct conf_entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static int show_all(struct sql_run *r)
{
    static const struct sql_result_column columns[] = {{"key", SQL_RESULT_STRING},
                                                       {"value", SQL_RESULT_STRING}};
    struct vec entries = VEC_INIT(void *);
    struct sql_result *result = sql_result_new(columns, ARRAY_LEN(columns));
    MAP_FOREACH (&r->s->conf.entries, e) {
        vec_push_ptr(&entries, e->value);
    }
    if (entries.len > 1) {
        qsort(entries.data, entries.len, sizeof(void *), compare_entries);
    }
    for (size_t i = 0; i < entries.len; i++) {
        const struct conf_entry *e = vec_ptr(&entries, i);
        STR_AUTO value = STR_INIT;
        conf_append_shown(&r->s->conf, e, &value);
        const char *cells[] = {e->key, str_cstr(&value)};
        sql_result_add(result, cells);
    }
    vec_fini(&entries);
    *r->ret = sql_answer_of_result(r->s, result);
    sql_result_free(result);
    return 0;
}

/* What a key means at once: zones are opened when they are set, so that a slip is said there. */
static int apply(struct sql_run *r, const char *key)
{
    return strcmp(key, "table.local-time-zone") == 0 ? sql_session_open_zone(r->s, r->err) : 0;
}

/* The value that the key had before, or none. */
static void put_back(struct conf *conf, const char *key, const struct conf_entry *old,
                     const char *old_value)
{
    if (old_value == NULL) {
        conf_unset(conf, key);
    } else {
        (void)!conf_set_at(conf, old->place, key, old_value, NULL); /* it was accepted before */
    }
}

static const char by_program[] = "set by the program: "; /* it was a person */

/* Unknown keys are kept, with a word about them. */
static void take_notes(struct conf *conf, struct sql_answer *a)
{
    for (size_t i = 0; i < conf->warnings.n; i++) {
        const char *text = conf->warnings.items[i];
        text_list_add(
            &a->notes,
            slice_cstr(cstr_starts_with(text, by_program) ? text + sizeof(by_program) - 1 : text));
    }
    text_list_fini(&conf->warnings);
    conf->warnings = (struct text_list)TEXT_LIST_INIT;
}

static int set_one(struct sql_run *r, const char *key, const char *value)
{
    struct conf *conf = &r->s->conf;
    const struct conf_entry *entry = map_find(&conf->entries, key);
    struct conf_entry old = entry != NULL ? *entry : (struct conf_entry){.key = NULL};
    char *old_value = entry != NULL ? mem_strdup(entry->value) : NULL;
    old.place.file = NULL;
    int rc = conf_set_at(conf, session_place, key, value, r->err);
    if (rc == 0) {
        rc = apply(r, key);
        if (rc < 0) {
            put_back(conf, key, &old, old_value);
        }
    }
    mem_free(old_value);
    if (rc < 0) {
        r->place->span = r->statement->span;
        if (r->err != NULL && cstr_starts_with(r->err->message, by_program)) {
            char *text = r->err->message;
            memmove(text, text + sizeof(by_program) - 1, strlen(text) - sizeof(by_program) + 2);
        }
        return rc;
    }
    *r->ret = sql_answer_of_ok(r->s);
    take_notes(conf, *r->ret);
    return 0;
}

int sql_run_set(struct sql_run *r)
{
    const struct sql_statement *t = r->statement;
    if (t->text.data == NULL) {
        return show_all(r);
    }
    char *key = mem_strndup(t->text.data, t->text.len);
    char *value = mem_strndup(t->value.data, t->value.len);
    int rc = set_one(r, key, value);
    mem_free(key);
    mem_free(value);
    return rc;
}

/* ---- RESET ------------------------------------------------------------------------------------------------ */

static void reset_all(struct sql_session *s)
{
    conf_fini(&s->conf);
    conf_init(&s->conf, NULL);
    conf_merge(&s->conf, &s->base);
}

static void reset_one(struct sql_session *s, const char *key)
{
    const struct conf_entry *e = map_find(&s->base.entries, key);
    if (e == NULL) {
        conf_unset(&s->conf, key);
    } else {
        (void)!conf_set_at(&s->conf, e->place, key, e->value, NULL); /* it was accepted before */
    }
}

int sql_run_reset(struct sql_run *r)
{
    const struct sql_statement *t = r->statement;
    if (t->text.data == NULL) {
        reset_all(r->s);
    } else {
        char *key = mem_strndup(t->text.data, t->text.len);
        reset_one(r->s, key);
        mem_free(key);
    }
    TRY(sql_session_open_zone(r->s, r->err));
    *r->ret = sql_answer_of_ok(r->s);
    return 0;
}
