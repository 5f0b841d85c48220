/* See golden.h. */
#include "tests/sql/golden.h"
#include <stdio.h>
#include <stdlib.h>

/* One statement of a file and what is expected of it. */
struct golden_case {
    struct slice statement;
    uint32_t line;         /* of the statement */
    bool has_expectation;  /* else it has to succeed */
    bool is_sorted;        /* `---- sorted`: rows in any order */
    bool is_untyped;       /* `---- untyped`: names of columns without their types */
    struct slice expected; /* lines behind ----, without the last line end */
    uint32_t expected_line;
};

struct golden_file {
    const char *path;
    struct slice rest;
    uint32_t line; /* of what is left */
};

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool next_line(struct golden_file *f, struct slice *ret)
{
    if (f->rest.len == 0) {
        return false;
    }
    const char *end = memchr(f->rest.data, '\n', f->rest.len);
    size_t n = end != NULL ? (size_t)(end - f->rest.data) : f->rest.len;
    *ret = slice_make(f->rest.data, n);
    n += end != NULL ? 1 : 0;
    f->rest = slice_make(f->rest.data + n, f->rest.len - n);
    f->line++;
    return true;
}

static bool is_blank(struct slice line)
{
    return slice_trim(line).len == 0;
}

/* Blank lines and those that begin with # stand between statements.  `@session`: *ret_restart. */
static void skip_between(struct golden_file *f, bool *ret_restart)
{
    struct golden_file ahead = *f;
    struct slice line;
    while (next_line(&ahead, &line) &&
           (is_blank(line) || line.data[0] == '#' || slice_eq_cstr(line, "@session"))) {
        *ret_restart = *ret_restart || slice_eq_cstr(line, "@session");
        *f = ahead;
    }
}

/* About the line that was read last. */
static int bad_file(const struct golden_file *f, const char *what, struct error *err)
{
    return error_set(err, ERR_PARSE, "%s:%u: %s", f->path, f->line - 1, what);
}

static int read_statement(struct golden_file *f, struct golden_case *c, struct error *err)
{
    const char *start = f->rest.data;
    struct slice line = {NULL, 0};
    bool is_whole = false;
    c->line = f->line;
    while (!is_whole) {
        if (!next_line(f, &line)) {
            return bad_file(f, "a statement has no end: it ends with ; at the end of a line", err);
        }
        if (slice_starts_with(line, "----")) {
            return bad_file(f, "---- before the end of a statement", err);
        }
        c->statement = slice_make(start, (size_t)(line.data + line.len - start));
        uint32_t end = sql_statement_end(c->statement, &is_whole);
        is_whole = is_whole && end == c->statement.len;
    }
    return 0;
}

/* Behind ---- */
static bool read_mode(struct slice words, struct golden_case *c)
{
    if (slice_starts_with(words, " sorted")) {
        c->is_sorted = true;
        words = slice_make(words.data + 7, words.len - 7);
    }
    if (slice_starts_with(words, " untyped")) {
        c->is_untyped = true;
        words = slice_make(words.data + 8, words.len - 8);
    }
    return words.len == 0;
}

static int read_expected(struct golden_file *f, struct golden_case *c, struct error *err)
{
    struct golden_file ahead = *f;
    struct slice line;
    c->has_expectation = next_line(&ahead, &line) && slice_starts_with(line, "----");
    if (!c->has_expectation) {
        return 0;
    }
    if (!read_mode(slice_make(line.data + 4, line.len - 4), c)) {
        return bad_file(&ahead, "behind ---- stand sorted and untyped, or nothing", err);
    }
    *f = ahead;
    c->expected = slice_make(f->rest.data, 0);
    c->expected_line = f->line;
    while (next_line(&ahead, &line) && !is_blank(line)) {
        c->expected.len = (size_t)(line.data + line.len - c->expected.data);
        *f = ahead;
    }
    return c->expected.len > 0 ? 0 : bad_file(f, "nothing is expected behind ----", err);
}

/* ---- text of results --------------------------------------------------------------------------------------- */

/* NULL is NULL, an empty cell '', and a line of a cell behind its first begins with "| ". */
static void print_cell(const char *cell, struct str *out)
{
    if (cell == NULL || cell[0] == '\0') {
        str_append_cstr(out, cell == NULL ? "NULL" : "''");
        return;
    }
    for (const char *p = cell; *p != '\0'; p++) {
        str_append_char(out, *p);
        /* The line end behind the last line is not shown: SHOW CREATE has one. */
        if (*p == '\n' && p[1] == '\0') {
            out->len--;
            out->data[out->len] = '\0';
        } else if (*p == '\n') {
            str_append_cstr(out, "| ");
        }
    }
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_heads(const struct golden_session_ops *ops, void *session,
                        const struct sql_result *r, bool is_untyped, struct str *out)
{
    for (uint32_t i = 0; i < r->n_columns; i++) {
        str_printf(out, "%s%s%s", i > 0 ? " | " : "", r->columns[i].name, is_untyped ? "" : " ");
        if (is_untyped) {
            continue;
        }
        if (ops->append_type != NULL) {
            ops->append_type(session, i, out);
        } else {
            str_append_cstr(out, sql_result_type_name(r->columns[i].type));
        }
    }
    str_append_char(out, '\n');
}

static void print_result(const struct golden_session_ops *ops, void *session,
                         const struct sql_result *r, const struct golden_case *c, struct str *out)
{
    uint32_t n = sql_result_rows(r);
    char **rows = mem_alloc((n + 1) * sizeof(*rows));
    if (r->kind == SQL_RESULT_OK) {
        str_append_cstr(out, "OK\n");
        mem_free(rows);
        return;
    }
    print_heads(ops, session, r, c->is_untyped, out);
    for (uint32_t row = 0; row < n; row++) {
        struct str text = STR_INIT;
        for (uint32_t i = 0; i < r->n_columns; i++) {
            str_append_cstr(&text, i > 0 ? " | " : "");
            print_cell(sql_result_cell(r, row, i), &text);
        }
        rows[row] = str_take(&text);
    }
    if (c->is_sorted && n > 1) {
        qsort(rows, n, sizeof(*rows), compare_rows);
    }
    for (uint32_t row = 0; row < n; row++) {
        str_printf(out, "%s\n", rows[row]);
        mem_free(rows[row]);
    }
    mem_free(rows);
}

/* !! line:column message, in one line */
static void print_error(const struct slice text, struct sql_error_place place,
                        const struct error *err, struct str *out)
{
    struct sql_position at = sql_position_of(text, place.span.start);
    str_printf(out, "!! %u:%u ", at.line, at.column);
    for (const char *p = err->message; *p != '\0'; p++) {
        str_append_char(out, *p == '\n' || *p == '\t' ? ' ' : *p);
    }
    str_append_char(out, '\n');
}

/* ---- one statement ----------------------------------------------------------------------------------------- */

struct golden_answer {
    bool is_error;
    struct str text; /* in the format of the files */
};

static void execute(const struct golden_session_ops *ops, void *session,
                    const struct golden_case *c, struct golden_answer *ret)
{
    struct arena arena;
    struct sql_statement *s = NULL;
    struct sql_result *result = NULL;
    struct sql_error_place place = {{0, 0}};
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    int rc = sql_parse_statement(c->statement, &arena, &s, &place, &err);
    rc = rc < 0 ? rc : ops->execute(session, c->statement, s, &result, &place, &err);
    ret->is_error = rc < 0;
    if (rc < 0) {
        print_error(c->statement, place, &err, &ret->text);
    } else {
        print_result(ops, session, result, c, &ret->text);
    }
    sql_result_free(result);
    arena_fini(&arena);
}

/* An expected error: its text is contained in the message, and where line:column stand they are the place. */
static bool error_fits(struct slice expected, const struct str *got)
{
    struct slice text = slice_make(expected.data + 2, expected.len - 2);
    text = slice_trim(text);
    size_t digits = 0;
    while (digits < text.len &&
           ((text.data[digits] >= '0' && text.data[digits] <= '9') || text.data[digits] == ':')) {
        digits++;
    }
    bool has_place = digits > 2 && digits < text.len && text.data[digits] == ' ';
    const char *message = strchr(str_cstr(got) + 3, ' ') + 1;
    if (has_place) {
        size_t n = (size_t)(message - str_cstr(got)) - 4;
        if (n != digits || memcmp(str_cstr(got) + 3, text.data, n) != 0) {
            return false;
        }
        text = slice_make(text.data + digits + 1, text.len - digits - 1);
    }
    return memmem(message, strlen(message), text.data, text.len) != NULL;
}

static bool answer_fits(const struct golden_case *c, const struct golden_answer *a)
{
    if (!c->has_expectation) {
        return !a->is_error;
    }
    if (slice_starts_with(c->expected, "!!")) {
        return a->is_error && error_fits(c->expected, &a->text);
    }
    struct slice got = str_slice(&a->text);
    got.len -= got.len > 0 ? 1 : 0; /* its last line end */
    return !a->is_error && slice_compare(got, c->expected) == 0;
}

static void report(const struct golden_file *f, const struct golden_case *c,
                   const struct golden_answer *a, struct str *out)
{
    str_printf(out, "%s:%u: %.*s\n", f->path, c->line, (int)c->statement.len, c->statement.data);
    str_printf(out, "  expected (line %u):\n%.*s\n", c->expected_line, (int)c->expected.len,
               c->has_expectation ? c->expected.data : "");
    str_printf(out, "  but it was:\n%s\n", str_cstr(&a->text));
}

static void run_case(const struct golden_file *f, const struct golden_session_ops *ops,
                     void *session, enum golden_mode mode, struct golden_count *count,
                     struct str *out, const struct golden_case *c)
{
    struct golden_answer a = {.text = STR_INIT};
    execute(ops, session, c, &a);
    count->statements++;
    if (mode == GOLDEN_PRINT) {
        str_printf(out, "%.*s\n", (int)c->statement.len, c->statement.data);
        if (c->has_expectation || a.is_error) {
            str_printf(out, "----%s%s\n%s", c->is_sorted ? " sorted" : "",
                       c->is_untyped ? " untyped" : "", str_cstr(&a.text));
        }
        str_append_char(out, '\n');
    } else if (!answer_fits(c, &a)) {
        count->failed++;
        report(f, c, &a, out);
    }
    str_fini(&a.text);
}

/* ---- a file ---------------------------------------------------------------------------------------------------- */

static int read_whole(const char *path, struct str *out, struct error *err)
{
    char buf[4096];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return error_set(err, ERR_IO, "cannot open %s", path);
    }
    for (size_t n; (n = fread(buf, 1, sizeof(buf), file)) > 0;) {
        str_append(out, buf, n);
    }
    fclose(file);
    return 0;
}

int golden_run(const char *path, const struct golden_session_ops *ops, enum golden_mode mode,
               struct golden_count *count, struct str *out, struct error *err)
{
    STR_AUTO text = STR_INIT;
    bool restart = false;
    TRY(read_whole(path, &text, err));
    struct golden_file f = {path, str_slice(&text), 1};
    void *session = ops->open(err);
    int rc = session != NULL ? 0 : err->code;
    for (skip_between(&f, &restart); rc == 0 && f.rest.len > 0; skip_between(&f, &restart)) {
        struct golden_case c = {.line = 0};
        if (restart) {
            ops->close(session);
            session = ops->open(err);
            rc = session != NULL ? 0 : err->code;
            restart = false;
        }
        rc = rc < 0 ? rc : read_statement(&f, &c, err);
        rc = rc < 0 ? rc : read_expected(&f, &c, err);
        if (rc == 0) {
            run_case(&f, ops, session, mode, count, out, &c);
        }
    }
    if (session != NULL) {
        ops->close(session);
    }
    return rc;
}
