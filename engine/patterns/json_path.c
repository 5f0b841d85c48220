/* Paths compiled to steps; items found by them. */
#include "engine/patterns/json_text.h"

enum step_kind { STEP_NAMES, STEP_INDICES, STEP_SLICE, STEP_ALL, STEP_DEEP };

struct step {
    enum step_kind kind;
    uint32_t n;
    char **names;     /* Owns both: STEP_NAMES */
    int64_t *indices; /* Owns: STEP_INDICES */
    int64_t from, to; /* STEP_SLICE; INT64_MAX: to the end */
};

struct json_path {
    bool is_lax, is_definite;
    uint32_t n;
    struct step steps[JSON_PATH_STEPS_MAX];
};

struct json_path *json_path_free(struct json_path *p)
{
    for (uint32_t i = 0; p != NULL && i < p->n; i++) {
        struct step *s = &p->steps[i];
        for (uint32_t k = 0; s->names != NULL && k < s->n; k++) {
            mem_free(s->names[k]);
        }
        mem_free(s->names);
        mem_free(s->indices);
    }
    mem_free(p);
    return NULL;
}

bool json_path_is_lax(const struct json_path *p)
{
    return p->is_lax;
}
bool json_path_is_definite(const struct json_path *p)
{
    return p->is_definite;
}

/* ---- compiling -------------------------------------------------------------------------------------- */

struct path_scanner {
    struct json_path *path;
    const char *p, *end;
    struct slice text;
    struct error *err;
};

static int refuse(struct path_scanner *s, const char *why)
{
    return error_set(s->err, ERR_INVALID_ARGUMENT, "Illegal jsonpath spec '%.*s': %s",
                     (int)MIN(s->text.len, (size_t)200), s->text.data, why);
}

static void blanks(struct path_scanner *s)
{
    while (s->p < s->end && *s->p == ' ') {
        s->p++;
    }
}

static int add_step(struct path_scanner *s, enum step_kind kind, struct step **ret)
{
    if (s->path->n == JSON_PATH_STEPS_MAX) {
        return refuse(s, "too many steps");
    }
    *ret = &s->path->steps[s->path->n++];
    (*ret)->kind = kind;
    return 0;
}

static void add_name(struct step *step, const char *name, size_t len)
{
    step->names = mem_realloc(step->names, (step->n + 1) * sizeof(*step->names));
    step->names[step->n++] = mem_strndup(name, len);
}

/* 'name', with \ before quotes. */
static int quoted_name(struct path_scanner *s, struct step *step)
{
    STR_AUTO name = STR_INIT;
    const char quote = *s->p++;
    while (s->p < s->end && *s->p != quote) {
        s->p += *s->p == '\\' && s->p + 1 < s->end;
        str_append_char(&name, *s->p++);
    }
    if (s->p == s->end) {
        return refuse(s, "a name without its quote");
    }
    s->p++;
    add_name(step, str_cstr(&name), name.len);
    blanks(s);
    return 0;
}

static int quoted_names(struct path_scanner *s)
{
    struct step *step = NULL;
    TRY(add_step(s, STEP_NAMES, &step));
    TRY(quoted_name(s, step));
    while (s->p < s->end && *s->p == ',') {
        s->p++;
        blanks(s);
        if (s->p == s->end || (*s->p != '\'' && *s->p != '"')) {
            return refuse(s, "a name is due");
        }
        TRY(quoted_name(s, step));
        s->path->is_definite = false;
    }
    return 0;
}

static bool take_integer(struct path_scanner *s, int64_t *ret)
{
    const bool is_negative = s->p < s->end && *s->p == '-';
    const char *start = s->p += is_negative;
    int64_t v = 0;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && v < INT64_C(1) << 40) {
        v = v * 10 + (*s->p++ - '0');
    }
    *ret = is_negative ? -v : v;
    const bool is_one = s->p > start;
    blanks(s);
    return is_one;
}

/* 0 or 0,1 or 1:3 */
static int places(struct path_scanner *s)
{
    struct step *step = NULL;
    int64_t v = 0;
    const bool has_first = take_integer(s, &v);
    if (s->p < s->end && *s->p == ':') {
        TRY(add_step(s, STEP_SLICE, &step));
        s->p++;
        step->from = has_first ? v : 0;
        step->to = take_integer(s, &v) ? v : INT64_MAX;
        s->path->is_definite = false;
        return 0;
    }
    if (!has_first) {
        return refuse(s, "a place, a name or * is due in [ ]");
    }
    TRY(add_step(s, STEP_INDICES, &step));
    for (;;) {
        step->indices = mem_realloc(step->indices, (step->n + 1) * sizeof(*step->indices));
        step->indices[step->n++] = v;
        if (s->p == s->end || *s->p != ',') {
            return 0;
        }
        s->p++;
        blanks(s);
        s->path->is_definite = false;
        if (!take_integer(s, &v)) {
            return refuse(s, "a place is due behind a comma");
        }
    }
}

/* Behind [. */
static int brackets(struct path_scanner *s)
{
    struct step *step = NULL;
    blanks(s);
    if (s->p < s->end && *s->p == '?') {
        return error_set(s->err, ERR_UNSUPPORTED, "not supported yet: filters in a JSON path");
    }
    if (s->p < s->end && *s->p == '*') {
        TRY(add_step(s, STEP_ALL, &step));
        s->path->is_definite = false;
        s->p++;
        blanks(s);
    } else if (s->p < s->end && (*s->p == '\'' || *s->p == '"')) {
        TRY(quoted_names(s));
    } else {
        TRY(places(s));
    }
    if (s->p == s->end || *s->p != ']') {
        return refuse(s, "] is due");
    }
    s->p++;
    return 0;
}

/* Behind a point, or two. */
static int dotted(struct path_scanner *s)
{
    struct step *step = NULL;
    const char *start = s->p;
    if (s->p < s->end && *s->p == '*') {
        s->p++;
        s->path->is_definite = false;
        return add_step(s, STEP_ALL, &step);
    }
    while (s->p < s->end && memchr(".[ ('\"", *s->p, 6) == NULL) {
        s->p++;
    }
    if (s->p < s->end && *s->p == '(') {
        return error_set(s->err, ERR_UNSUPPORTED, "not supported yet: functions in a JSON path");
    }
    if (s->p == start) {
        return refuse(s, "a name is due behind a point");
    }
    TRY(add_step(s, STEP_NAMES, &step));
    add_name(step, start, (size_t)(s->p - start));
    return 0;
}

static int compile(struct path_scanner *s)
{
    struct step *step = NULL;
    if (slice_starts_with(s->text, "lax ")) {
        s->path->is_lax = true;
        s->p += 4;
    } else if (slice_starts_with(s->text, "strict ")) {
        s->p += 7;
    }
    blanks(s);
    if (s->p == s->end || *s->p++ != '$') {
        return refuse(s, "it begins with $");
    }
    while (s->p < s->end) {
        const char c = *s->p++;
        if (c == '[') {
            TRY(brackets(s));
        } else if (c == '.' && s->p < s->end && *s->p == '.') {
            s->p++;
            TRY(add_step(s, STEP_DEEP, &step));
            s->path->is_definite = false;
            if (s->p == s->end) {
                return refuse(s, "it ends with ..");
            }
            if (*s->p != '[') {
                TRY(dotted(s));
            }
        } else if (c == '.') {
            TRY(dotted(s));
        } else {
            return refuse(s, "a point or [ is due");
        }
    }
    return 0;
}

int json_path_new(struct slice text, struct json_path **ret, struct error *err)
{
    struct json_path *path = MEM_NEW(struct json_path);
    text = slice_trim(text);
    struct path_scanner s = {path, text.data, text.data + text.len, text, err};
    path->is_definite = true;
    const int rc = compile(&s);
    if (rc < 0) {
        json_path_free(path);
        return rc;
    }
    *ret = path;
    return 0;
}

/* ---- finding ---------------------------------------------------------------------------------------- */

struct search {
    const struct json_path *path;
    const struct json_document *d;
    struct json_found *found;
    uint32_t budget; /* items that may still be looked at */
};

static void find_from(struct search *s, uint32_t step, uint32_t at);

static bool key_is(struct slice key, const char *name)
{
    if (key.len == 0 || memchr(key.data, '\\', key.len) == NULL) {
        return slice_eq_cstr(key, name);
    }
    STR_AUTO text = STR_INIT;
    json_text_unescape(key, &text);
    return strcmp(str_cstr(&text), name) == 0;
}

/* Of equal names the last one counts. */
static void find_name(struct search *s, uint32_t step, uint32_t at, const char *name)
{
    const struct json_item *item = &s->d->items[at];
    uint32_t last = 0;
    for (uint32_t i = at + 1; i < item->end && item->kind == JSON_ITEM_OBJECT;
         i = s->d->items[i].end) {
        last = key_is(s->d->items[i].key, name) ? i : last;
    }
    if (last > 0) {
        find_from(s, step + 1, last);
    }
}

static uint32_t count_of(const struct search *s, uint32_t at)
{
    uint32_t n = 0;
    for (uint32_t i = at + 1; i < s->d->items[at].end; i = s->d->items[i].end) {
        n++;
    }
    return n;
}

/* Elements [from, to) of an array. */
static void find_range(struct search *s, uint32_t step, uint32_t at, int64_t from, int64_t to)
{
    int64_t k = 0;
    if (s->d->items[at].kind != JSON_ITEM_ARRAY) {
        return;
    }
    for (uint32_t i = at + 1; i < s->d->items[at].end && k < to; i = s->d->items[i].end, k++) {
        if (k >= from) {
            find_from(s, step + 1, i);
        }
    }
}

static void find_places(struct search *s, uint32_t index, uint32_t at)
{
    const struct step *step = &s->path->steps[index];
    const int64_t n = count_of(s, at);
    if (step->kind == STEP_SLICE) {
        const int64_t from = step->from < 0 ? MAX(step->from + n, (int64_t)0) : step->from;
        find_range(s, index, at, from, step->to < 0 ? step->to + n : step->to);
        return;
    }
    for (uint32_t i = 0; i < step->n; i++) {
        const int64_t place = step->indices[i] < 0 ? step->indices[i] + n : step->indices[i];
        if (place >= 0) {
            find_range(s, index, at, place, place + 1);
        }
    }
}

static void find_from(struct search *s, uint32_t index, uint32_t at)
{
    const struct json_item *item = &s->d->items[at];
    struct json_found *f = s->found;
    if (s->budget == 0) {
        return;
    }
    s->budget--;
    if (index == s->path->n) {
        if (f->n == f->cap) {
            f->cap = f->cap * 2 + 8;
            f->items = mem_realloc(f->items, f->cap * sizeof(*f->items));
        }
        f->items[f->n++] = at;
        return;
    }
    const struct step *step = &s->path->steps[index];
    switch (step->kind) {
    case STEP_NAMES:
        for (uint32_t i = 0; i < step->n; i++) {
            find_name(s, index, at, step->names[i]);
        }
        break;
    case STEP_ALL:
        for (uint32_t i = at + 1; i < item->end; i = s->d->items[i].end) {
            find_from(s, index + 1, i);
        }
        break;
    case STEP_DEEP: /* the items stand in the order of the text: all of them below */
        for (uint32_t i = at; i < item->end; i++) {
            find_from(s, index + 1, i);
        }
        break;
    default:
        find_places(s, index, at);
        break;
    }
}

void json_found_fini(struct json_found *f)
{
    mem_free(f->items);
    *f = (struct json_found){0};
}

bool json_path_find(const struct json_path *p, const struct json_document *d,
                    struct json_found *ret)
{
    struct search s = {p, d, ret, JSON_PATH_VISITS_MAX};
    ret->n = 0;
    find_from(&s, 0, 0);
    return s.budget > 0;
}
