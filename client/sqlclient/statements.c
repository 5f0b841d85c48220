/* Scripts and statements: splitting, the shell's own statements, and all others by the session. */
#include "client/sqlclient/inside.h"
#include "common/fs/fs.h"
#include <errno.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_INTERRUPTED = 130,
    SOURCE_DEPTH_MAX = 16, /* files that name files */
    SCRIPT_BYTES_MAX = SQL_TEXT_MAX,
};

/* ---- one statement ------------------------------------------------------------------------------------------- */

static bool becomes_job(const struct shell *sh, const struct sql_statement *s)
{
    switch (s->kind) {
    case SQL_STATEMENT_INSERT:
        return !sql_session_is_in_set(sh->session);
    case SQL_STATEMENT_STATEMENT_SET:
        return true;
    case SQL_STATEMENT_END_SET:
        return sql_session_is_in_set(sh->session);
    case SQL_STATEMENT_CREATE:
        return s->create->object == SQL_OBJECT_TABLE && s->create->query != NULL;
    default:
        return false;
    }
}

static int execute(struct shell *sh, struct slice text, const struct sql_statement *s,
                   struct sql_error_place *place, struct error *err)
{
    struct sql_answer *a = NULL;
    int64_t started_ns = clock_monotonic_ns(&clock_system);
    if (becomes_job(sh, s) && !sh->options->only_check) {
        shell_info(sh, "Submitting SQL update statement to the cluster...");
    }
    TRY(sql_session_execute(sh->session, text, s, &a, place, err));
    place->span =
        (struct sql_span){0, 0}; /* what goes wrong from now on has no place in the text */
    int rc = shell_print_answer(sh, s, a, started_ns, err);
    sql_answer_close(a);
    return rc;
}

static int source(struct shell *sh, const struct sql_statement *s, struct error *err)
{
    if (sh->source_depth >= SOURCE_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE, "SOURCE of files that name files, %d deep",
                         SOURCE_DEPTH_MAX);
    }
    char *path = mem_strndup(s->text.data, s->text.len);
    sh->source_depth++;
    int rc = shell_run_file(sh, path);
    sh->source_depth--;
    mem_free(path);
    return rc == 0 ? 0 : ERR_CANCELLED; /* its error was said */
}

/* Those that no session knows.  1: it was none of them. */
static int run_own(struct shell *sh, const struct sql_statement *s, struct error *err)
{
    switch (s->kind) {
    case SQL_STATEMENT_QUIT:
        sh->is_over = true;
        return 0;
    case SQL_STATEMENT_CLEAR:
        if (sh->is_interactive) {
            printf("\033[H\033[2J");
        }
        return 0;
    case SQL_STATEMENT_HELP:
        shell_help();
        return 0;
    case SQL_STATEMENT_SOURCE:
        return source(sh, s, err);
    default:
        return 1;
    }
}

static int run_parsed(struct shell *sh, struct slice text, const struct sql_statement *s)
{
    struct sql_error_place place = {s->span};
    struct error err = ERROR_INIT;
    int rc = run_own(sh, s, &err);
    rc = rc == 1 ? execute(sh, text, s, &place, &err) : rc;
    if (rc < 0 && err.code < 0) {
        bool has_place = place.span.end > 0;
        shell_error(sh, &err, has_place ? text : (struct slice){NULL, 0}, &place);
    }
    return rc;
}

int shell_run_statement(struct shell *sh, struct slice text)
{
    struct vec statements = VEC_INIT(void *);
    struct sql_error_place place = {{0, 0}};
    struct error err = ERROR_INIT;
    struct arena arena;
    arena_init(&arena, 0);
    int rc = sql_parse_script(text, &arena, &statements, &place, &err);
    if (rc < 0) {
        shell_error(sh, &err, text, &place);
    }
    for (size_t i = 0; i < statements.len && rc == 0; i++) {
        rc = run_parsed(sh, text, vec_ptr(&statements, i));
    }
    vec_fini(&statements);
    arena_fini(&arena);
    return rc;
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

/* As Flink shows what a file has. */
static void echo(const struct shell *sh, struct slice text)
{
    if (sh->options->statements == NULL && !sh->options->only_check) {
        printf("Flink SQL> %.*s\n", (int)text.len, text.data);
    }
}

int shell_run_script(struct shell *sh, const char *name, struct slice text)
{
    while (text.len > 0 && !sh->is_over) {
        bool is_complete = false;
        uint32_t end = sql_statement_end(text, &is_complete);
        struct slice one = slice_trim(slice_make(text.data, end));
        text = slice_make(text.data + end, text.len - end);
        if (one.len == 0) {
            continue;
        }
        if (interrupt_came()) {
            return EXIT_INTERRUPTED;
        }
        echo(sh, one);
        int rc = shell_run_statement(sh, one);
        if (rc < 0 && name != NULL) {
            printf("  in %s\n", name);
        }
        if (sh->options->statements == NULL && !sh->options->only_check) {
            printf("\n");
        }
        (void)fflush(stdout);
        if (rc < 0) {
            return interrupt_came() ? EXIT_INTERRUPTED : EXIT_FAILED;
        }
    }
    return interrupt_came() && !sh->is_interactive ? EXIT_INTERRUPTED : 0;
}

static int read_input(struct str *out, struct error *err)
{
    char piece[16384];
    for (;;) {
        if (interrupt_poll(STDIN_FILENO, -1) < 0) {
            return error_set(err, ERR_CANCELLED, "reading standard input was interrupted");
        }
        ssize_t n = read(STDIN_FILENO, piece, sizeof(piece));
        if (n == 0) {
            return 0;
        }
        if (n < 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            return error_set_errno(err, errno, "reading standard input");
        }
        str_append(out, piece, (size_t)n);
        if (out->len > SCRIPT_BYTES_MAX) {
            return error_set(err, ERR_TOO_LARGE, "a script has at most %d bytes", SCRIPT_BYTES_MAX);
        }
    }
}

static int read_pieces(struct fs_input *in, struct str *out, struct error *err)
{
    char piece[16384];
    size_t n = 1;
    while (n > 0) {
        TRY(fs_input_read_at(in, out->len, piece, sizeof(piece), &n, err));
        str_append(out, piece, n);
        if (out->len > SCRIPT_BYTES_MAX) {
            return error_set(err, ERR_TOO_LARGE, "a script has at most %d bytes", SCRIPT_BYTES_MAX);
        }
    }
    return 0;
}

static int read_file(const char *path, struct str *out, struct error *err)
{
    struct fs_input *in = NULL;
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = read_pieces(in, out, err);
    fs_input_close(in);
    return rc;
}

static int read_script(const char *path, struct str *out, struct error *err)
{
    if (strcmp(path, "-") == 0) {
        return read_input(out, err);
    }
    return read_file(path, out, err);
}

int shell_run_file(struct shell *sh, const char *path)
{
    STR_AUTO text = STR_INIT;
    struct error err = ERROR_INIT;
    bool is_file = strcmp(path, "-") != 0;
    if (read_script(path, &text, &err) < 0) {
        shell_error(sh, &err, (struct slice){NULL, 0}, NULL);
        return interrupt_came() ? EXIT_INTERRUPTED : EXIT_FAILED;
    }
    return shell_run_script(sh, is_file ? path : NULL, str_slice(&text));
}
