/* What the shell says about itself: [INFO], [WARNING], [ERROR] with the place underlined, as Flink's CliStrings have them. */
#include "client/sqlclient/inside.h"

enum { SHOWN_LINE_MAX = 200 }; /* columns of a statement's line that is shown below an error */

static const char blue[] = "\033[34;1m", red[] = "\033[31;1m", plain[] = "\033[0m",
                  yellow[] = "\033[33;1m";

static void say(const struct shell *sh, FILE *to, const char *colour, const char *mark,
                const char *text)
{
    (void)fflush(stdout);
    fprintf(to, "%s[%s]%s %s\n", sh->has_colours ? colour : "", mark, sh->has_colours ? plain : "",
            text);
    (void)fflush(to); /* before jobs of this process print */
}

void shell_info(const struct shell *sh, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    say(sh, stdout, blue, "INFO", str_cstr(&text));
}

void shell_warning(const struct shell *sh, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    say(sh, stdout, yellow, "WARNING", str_cstr(&text));
}

/* ---- the place of an error --------------------------------------------------------------------------------- */

static struct slice line_around(struct slice text, uint32_t at)
{
    size_t start = at, end = at;
    while (start > 0 && text.data[start - 1] != '\n') {
        start--;
    }
    while (end < text.len && text.data[end] != '\n') {
        end++;
    }
    return slice_make(text.data + start, end - start);
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The line, and under it as many carets as the place is wide, within this line. */
static void show_place(const struct shell *sh, struct slice text, struct sql_span span, FILE *to)
{
    uint32_t start = MIN(span.start, (uint32_t)text.len);
    struct sql_position at = sql_position_of(text, start);
    struct slice line = line_around(text, start);
    size_t before = (size_t)(text.data + start - line.data);
    size_t cut = 0;
    if (text_width(slice_make(line.data, before)) > SHOWN_LINE_MAX / 2) {
        cut = before - SHOWN_LINE_MAX / 2;
        while (cut > 0 && is_continuation(line.data[cut])) {
            cut--;
        }
    }
    struct slice shown = slice_make(line.data + cut, MIN(line.len - cut, (size_t)SHOWN_LINE_MAX));
    while (shown.len > 0 && shown.len < line.len - cut && is_continuation(shown.data[shown.len])) {
        shown.len--;
    }
    size_t len = span.end > start ? span.end - start : 1;
    size_t left = shown.len > before - cut ? shown.len - (before - cut) : 0;
    uint32_t indent = text_width(slice_make(shown.data, before - cut));
    size_t marked = MIN(len, left);
    uint32_t width = text_width(slice_make(text.data + start, marked));
    fprintf(to, "  at line %u, column %u:\n    %.*s\n    %*s%s", at.line, at.column, (int)shown.len,
            shown.data, (int)indent, "", sh->has_colours ? red : "");
    for (uint32_t i = 0; i < MAX(width, 1u); i++) {
        fputc('^', to);
    }
    fprintf(to, "%s\n", sh->has_colours ? plain : "");
}

static bool is_verbose(const struct shell *sh)
{
    return sh->session != NULL && conf_bool(sql_session_conf(sh->session), "sql-client.verbose");
}

void shell_error(const struct shell *sh, const struct error *err, struct slice text,
                 const struct sql_error_place *place)
{
    char message[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX + 64];
    /* Flink's client has one stream; what -e prints is read by programs. */
    FILE *to = sh->session != NULL && sh->options->statements == NULL ? stdout : stderr;
    say(sh, to, red, "ERROR", "Could not execute SQL statement. Reason:");
    fprintf(to, "%s\n", error_format(err, message, sizeof(message)));
    if (text.data != NULL && place != NULL && text.len > 0) {
        show_place(sh, text, place->span, to);
    }
    if (is_verbose(sh) && err->file != NULL) {
        fprintf(to, "  %s, %s:%d\n", error_code_name(err->code), err->file, err->line);
    }
    (void)fflush(to);
}

void shell_help(void)
{
    printf("The following commands are available; each statement ends with a semicolon:\n\n"
           "HELP     shows this\n"
           "CLEAR    clears the terminal\n"
           "QUIT     ends the shell; EXIT, too\n"
           "SOURCE 'file'    executes the statements of a file\n"
           "SET ['key' = 'value']    sets a configuration key, or shows all\n"
           "RESET ['key']    takes that back, or all of it\n"
           "SHOW JOBS, DESCRIBE JOB 'id', STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]\n"
           "BEGIN STATEMENT SET; INSERT ...; END;    several inserts as one job\n"
           "SHOW TABLES, DESCRIBE t, EXPLAIN SELECT ..., CREATE, ALTER, DROP, USE, ...\n"
           "SELECT, VALUES, WITH, INSERT, CREATE TABLE ... AS SELECT\n\n"
           "Ctrl-C cancels a running query, or forgets the line; Ctrl-D ends the shell.\n\n");
}
