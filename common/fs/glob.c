/* Globs: matching a name against one component, expanding braces, and walking folders.
 *
 * Matching is the iterative one that goes back to the last star only, so its cost is bounded by the
 * product of both lengths.  Thread: any (no state). */
#include "common/fs/driver.h"

/* ---- one component ---------------------------------------------------------------------------- */

/* Next code point, and how many bytes it has; a byte that is no UTF-8 stands for itself. */
static uint32_t next_char(const char *s, size_t *ret_len)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 1;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *ret_len = 1;
            return p[0];
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    *ret_len = n;
    return c;
}

/* One member of a set at *p, which moves behind it. */
static uint32_t set_char(const char **p)
{
    if (**p == '\\' && (*p)[1] != '\0') {
        (*p)++;
    }
    size_t len;
    uint32_t c = next_char(*p, &len);
    *p += len;
    return c;
}

/* Matches `c` against the set at `p` ("[...]").  Returns what follows the set, NULL when it is not
 * closed and the bracket is an ordinary character. */
static const char *match_set(const char *p, uint32_t c, bool *ret_match)
{
    p++;
    bool negated = *p == '!' || *p == '^', found = false, first = true;
    p += negated;
    while (*p != '\0' && (*p != ']' || first)) {
        first = false;
        uint32_t low = set_char(&p), high = low;
        if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
            p++;
            high = set_char(&p);
        }
        found |= low <= c && c <= high;
    }
    if (*p != ']') {
        return NULL;
    }
    *ret_match = found != negated;
    return p + 1;
}

/* Matches one character of the name at `s` against the pattern element at `p`, which is no star.
 * Returns what follows in the pattern, NULL when it does not match. */
static const char *match_one(const char *p, const char *s, size_t *ret_len)
{
    uint32_t c = next_char(s, ret_len);
    if (*p == '?') {
        return p + 1;
    }
    if (*p == '[') {
        bool match = false;
        const char *behind = match_set(p, c, &match);
        if (behind != NULL) {
            return match ? behind : NULL;
        }
    }
    if (*p == '\\' && p[1] != '\0') {
        p++;
    }
    size_t len;
    return *p != '\0' && next_char(p, &len) == c ? p + len : NULL;
}

bool fs_glob_match(const char *p, const char *s)
{
    if (*s == '.' && *p != '.' && !(p[0] == '\\' && p[1] == '.')) {
        return false; /* hidden */
    }
    const char *star = NULL, *star_at = NULL;
    while (*s != '\0') {
        size_t len = 1;
        const char *next = NULL;
        if (*p == '*') {
            star = ++p;
            star_at = s;
            continue;
        }
        next = match_one(p, s, &len);
        if (next != NULL) {
            p = next;
            s += len;
        } else if (star != NULL) {
            next_char(star_at, &len);
            star_at += len; /* the star takes one more */
            s = star_at;
            p = star;
        } else {
            return false;
        }
    }
    while (*p == '*') {
        p++;
    }
    return *p == '\0';
}

bool fs_is_glob(const char *pattern)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
        } else if (strchr("*?[{", *p) != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- braces ----------------------------------------------------------------------------------- */

/* The end of the brace group that opens at `open`; NULL when it is not closed. */
static const char *brace_end(const char *open)
{
    int depth = 0;
    for (const char *p = open; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '{') {
            depth++;
        } else if (*p == '}' && --depth == 0) {
            return p;
        }
    }
    return NULL;
}

/* The comma that ends the alternative at `p`, or the end of the group. */
static const char *alternative_end(const char *p, const char *group_end)
{
    int depth = 0;
    for (; p < group_end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '{') {
            depth++;
        } else if (*p == '}') {
            depth--;
        } else if (*p == ',' && depth == 0) {
            break;
        }
    }
    return MIN(p, group_end);
}

static const char *find_brace(const char *pattern)
{
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '{') {
            return p;
        }
    }
    return NULL;
}

/* Appends the patterns without braces that `pattern` stands for (heap strings). */
static int expand_braces(const char *pattern, struct vec *ret_patterns, struct error *err)
{
    const char *open = find_brace(pattern);
    if (open == NULL) {
        if (ret_patterns->len >= FS_BRACES_MAX) {
            return error_set(err, ERR_LIMIT, "the braces stand for more than %d patterns",
                             FS_BRACES_MAX);
        }
        vec_push_ptr(ret_patterns, mem_strdup(pattern));
        return 0;
    }
    const char *end = brace_end(open);
    if (end == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "the brace is not closed: %s", open);
    }
    for (const char *p = open + 1;;) {
        const char *stop = alternative_end(p, end);
        STR_AUTO one = STR_INIT;
        str_append(&one, pattern, (size_t)(open - pattern));
        str_append(&one, p, (size_t)(stop - p));
        str_append_cstr(&one, end + 1);
        TRY(expand_braces(str_cstr(&one), ret_patterns, err));
        if (stop == end) {
            return 0;
        }
        p = stop + 1;
    }
}

/* ---- walking ---------------------------------------------------------------------------------- */

struct glob_walk {
    struct fs_location at; /* its path changes as the walk goes on */
    struct str path;       /* what at.path points to */
    struct vec components; /* char *, of the pattern */
    struct fs_list *found;
    struct error *err;
};

static int walk(struct glob_walk *w, size_t i, int depth);

static struct fs_location walk_here(struct glob_walk *w)
{
    struct fs_location at = w->at;
    at.path = w->path.len > 0 ? w->path.data : (char *)"/";
    return at;
}

/* Adds what is at `at`, by the name that fs_open() takes. */
static int list_add_at(struct fs_list *list, const struct fs_location *at,
                       const struct fs_status *status, struct error *err)
{
    STR_AUTO uri = STR_INIT;
    if (at->driver == &fs_driver_local) {
        str_append_cstr(&uri, at->path);
    } else {
        fs_location_format(at, &uri);
    }
    return fs_list_add(list, strrchr(at->path, '/') + 1, str_cstr(&uri), status, err);
}

static int walk_add(struct glob_walk *w, const struct fs_status *status)
{
    struct fs_location at = walk_here(w);
    return list_add_at(w->found, &at, status, w->err);
}

static void walk_push(struct glob_walk *w, const char *name)
{
    str_append_char(&w->path, '/');
    str_append_cstr(&w->path, name);
}

static void walk_pop(struct glob_walk *w, size_t len)
{
    w->path.len = len;
    if (w->path.data != NULL) {
        w->path.data[len] = '\0';
    }
}

/* What is here; 0 without entries when it is no folder or is gone. */
static int walk_list(struct glob_walk *w, struct fs_list *ret_list)
{
    struct fs_location at = walk_here(w);
    struct fs_status status;
    struct error why = ERROR_INIT;
    int rc = at.driver->stat(&at, &status, &why);
    if (rc == 0 && status.kind == FS_KIND_DIRECTORY) {
        rc = at.driver->list(&at, ret_list, &why);
        fs_list_sort(ret_list);
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        if (w->err != NULL) {
            error_copy(w->err, &why);
        }
        return rc;
    }
    return 0;
}

/* `**`: no folder at all, or into each one, hidden ones and links apart. */
static int walk_any_depth(struct glob_walk *w, size_t i, int depth)
{
    struct fs_list list = FS_LIST_INIT;
    size_t len = w->path.len;
    bool last = i + 1 == w->components.len;
    int rc = last ? 0 : walk(w, i + 1, depth);
    if (rc == 0) {
        rc = walk_list(w, &list);
    }
    for (size_t k = 0; k < list.n && rc == 0; k++) {
        const struct fs_entry *e = &list.entries[k];
        if (e->name[0] == '.') {
            continue;
        }
        walk_push(w, e->name);
        if (last) {
            rc = walk_add(w, &e->status);
        }
        if (rc == 0 && e->status.kind == FS_KIND_DIRECTORY && !e->status.is_link) {
            rc = walk(w, i, depth + 1);
        }
        walk_pop(w, len);
    }
    fs_list_fini(&list);
    return rc;
}

static int walk_matching(struct glob_walk *w, size_t i, int depth)
{
    struct fs_list list = FS_LIST_INIT;
    const char *pattern = vec_ptr(&w->components, i);
    size_t len = w->path.len;
    bool last = i + 1 == w->components.len;
    int rc = walk_list(w, &list);
    for (size_t k = 0; k < list.n && rc == 0; k++) {
        const struct fs_entry *e = &list.entries[k];
        if (!fs_glob_match(pattern, e->name)) {
            continue;
        }
        walk_push(w, e->name);
        if (last) {
            rc = walk_add(w, &e->status);
        } else if (e->status.kind == FS_KIND_DIRECTORY) {
            rc = walk(w, i + 1, depth + 1);
        }
        walk_pop(w, len);
    }
    fs_list_fini(&list);
    return rc;
}

/* A component without wildcards: its quotes are taken off. */
static int walk_literal(struct glob_walk *w, size_t i, int depth)
{
    STR_AUTO name = STR_INIT;
    for (const char *p = vec_ptr(&w->components, i); *p != '\0'; p++) {
        p += *p == '\\' && p[1] != '\0';
        str_append_char(&name, *p);
    }
    size_t len = w->path.len;
    walk_push(w, str_cstr(&name));
    int rc = 0;
    if (i + 1 < w->components.len) {
        rc = walk(w, i + 1, depth + 1);
    } else {
        struct fs_location at = walk_here(w);
        struct fs_status status;
        struct error why = ERROR_INIT;
        rc = at.driver->stat(&at, &status, &why);
        if (rc == 0) {
            rc = walk_add(w, &status);
        } else if (rc == ERR_NOT_FOUND) {
            rc = 0;
        } else if (w->err != NULL) {
            error_copy(w->err, &why);
        }
    }
    walk_pop(w, len);
    return rc;
}

static int walk(struct glob_walk *w, size_t i, int depth)
{
    if (depth > FS_DEPTH_MAX) {
        return error_set(w->err, ERR_LIMIT, "%s: more than %d folders in each other",
                         str_cstr(&w->path), FS_DEPTH_MAX);
    }
    const char *component = vec_ptr(&w->components, i);
    if (strcmp(component, "**") == 0) {
        return walk_any_depth(w, i, depth);
    }
    return fs_is_glob(component) ? walk_matching(w, i, depth) : walk_literal(w, i, depth);
}

/* One pattern without braces. */
static int glob_one(const char *pattern, struct fs_list *found, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(pattern, &at, err));
    struct glob_walk w = {.at = at, .path = STR_INIT, .found = found, .err = err};
    vec_init(&w.components, sizeof(char *));
    char *text = mem_strdup(at.path);
    for (char *save = NULL, *c = strtok_r(text, "/", &save); c != NULL;
         c = strtok_r(NULL, "/", &save)) {
        /* Two in a row mean the same as one, and would be walked many times. */
        size_t n = w.components.len;
        if (n == 0 || strcmp(c, "**") != 0 || strcmp(vec_ptr(&w.components, n - 1), "**") != 0) {
            vec_push_ptr(&w.components, c);
        }
    }
    int rc = w.components.len > 0 ? walk(&w, 0, 0) : 0;
    vec_fini(&w.components);
    str_fini(&w.path);
    mem_free(text);
    return rc;
}

/* Sorted, and each path once: alternatives of braces and `**` may meet. */
static void list_make_unique(struct fs_list *list)
{
    fs_list_sort(list);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct fs_entry *e = &list->entries[i];
        if (n > 0 && strcmp(list->entries[n - 1].path, e->path) == 0) {
            mem_free(e->name);
            mem_free(e->path);
        } else {
            list->entries[n++] = *e;
        }
    }
    list->n = n;
}

/* The file that is named exactly so, in spite of the characters in its name. */
static int glob_exact(const char *pattern, struct fs_list *found, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(pattern, &at, err));
    struct fs_status status;
    if (at.driver->stat(&at, &status, NULL) < 0) {
        return 0;
    }
    return list_add_at(found, &at, &status, err);
}

int fs_glob(const char *pattern, struct fs_list *ret_list, struct error *err)
{
    struct fs_list found = FS_LIST_INIT;
    struct vec patterns;
    vec_init(&patterns, sizeof(char *));
    int rc = glob_exact(pattern, &found, err);
    if (rc == 0 && found.n == 0) {
        rc = expand_braces(pattern, &patterns, err);
        for (size_t i = 0; i < patterns.len && rc == 0; i++) {
            rc = glob_one(vec_ptr(&patterns, i), &found, err);
        }
    }
    for (size_t i = 0; i < patterns.len; i++) {
        mem_free(vec_ptr(&patterns, i));
    }
    vec_fini(&patterns);
    if (rc < 0) {
        error_context(err, "looking for %s", pattern);
        fs_list_fini(&found);
        return rc;
    }
    list_make_unique(&found);
    *ret_list = found;
    return 0;
}
