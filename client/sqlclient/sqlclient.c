/* The shell from its start to its end; see sqlclient.h. */
#include "client/sqlclient/inside.h"
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_INTERRUPTED = 130, WAIT_MS = 100 };

/* ---- start and end -------------------------------------------------------------------------------------------- */

static int open_executor(struct shell *sh, const struct conf *conf, const struct sql_executor **ret,
                         struct error *err)
{
    const char *target = conf_string(conf, "execution.target");
    if (sh->options->only_check) {
        return 0;
    }
    if (target != NULL && strcmp(target, "remote") == 0) {
        TRY(remote_new(conf, &sh->remote, err));
        *ret = remote_executor_of(sh->remote);
    } else {
        sh->embedded = embedded_new();
        *ret = embedded_executor(sh->embedded);
    }
    return 0;
}

static int open_session(struct shell *sh, const struct conf *conf, struct error *err)
{
    struct sql_session_options o = {.conf = conf, .only_check = sh->options->only_check};
    TRY(open_executor(sh, conf, &o.executor, err));
    TRY(sql_session_new(&o, &sh->session, err));
    for (size_t i = 0; i < sh->options->jars.n; i++) {
        TRY(sql_manager_add_jar(sql_session_manager(sh->session), sh->options->jars.items[i], err));
    }
    return 0;
}

static void shell_init(struct shell *sh, const struct sqlclient_options *options)
{
    const char *term = getenv("TERM");
    *sh = (struct shell){.options = options};
    /* Widths of characters are asked of the C library. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        (void)setlocale(LC_CTYPE, "");
    }
    sh->has_colours = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1 &&
                      getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
    sh->shows_progress = isatty(STDERR_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    sh->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "sql-client"});
}

static void shell_fini(struct shell *sh)
{
    sh->editor = editor_free(sh->editor);
    sh->session = sql_session_free(sh->session);
    sh->embedded = embedded_free(sh->embedded);
    sh->remote = remote_free(sh->remote);
    buffer_pool_close(sh->pool);
}

/* ---- a person types ---------------------------------------------------------------------------------------------- */

/* Words that work without a semicolon, too. */
static bool is_command(struct slice line)
{
    static const char *const words[] = {"quit", "exit", "help", "clear"};
    line = slice_trim(line);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (line.len == strlen(words[i]) && strncasecmp(line.data, words[i], line.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Runs the statements that are whole; what is left stays in `text`. */
static void run_whole(struct shell *sh, struct str *text)
{
    struct slice rest = str_slice(text);
    bool is_complete = true;
    while (!sh->is_over && slice_trim(rest).len > 0) {
        uint32_t end = sql_statement_end(rest, &is_complete);
        if (!is_complete) {
            break;
        }
        struct slice one = slice_trim(slice_make(rest.data, end));
        char *kept = mem_strndup(one.data, one.len);
        editor_add_history(sh->editor, kept);
        interrupt_clear();
        (void)shell_run_statement(sh, slice_cstr(kept));
        interrupt_clear();
        printf("\n");
        (void)fflush(stdout);
        mem_free(kept);
        rest = slice_make(rest.data + end, rest.len - end);
    }
    rest = slice_trim(rest);
    char *left = mem_strndup(rest.data, rest.len);
    str_clear(text);
    if (rest.len > 0) {
        str_append_cstr(text, left);
        str_append_char(text, '\n');
    }
    mem_free(left);
}

static int type_statements(struct shell *sh)
{
    STR_AUTO text = STR_INIT;
    struct slice line;
    printf("Flinc SQL %s, %s. HELP; shows the commands, QUIT; ends.\n\n", FLINC_VERSION,
           sh->remote != NULL ? "jobs run on a cluster" : "jobs run in this process");
    sh->typed = &text;
    while (!sh->is_over && !interrupt_is_final()) {
        interrupt_clear();
        int rc = editor_read(sh->editor, text.len == 0 ? "Flink SQL> " : "> ", &line);
        if (rc == 2) {
            break;
        }
        if (rc == 1) { /* Ctrl-C forgets what was typed */
            str_clear(&text);
            printf("\n");
            continue;
        }
        bool is_first = text.len == 0;
        str_append_slice(&text, line);
        if (is_first && is_command(line)) {
            str_append_cstr(&text, ";");
        }
        run_whole(sh, &text);
    }
    sh->typed = NULL;
    return 0;
}

/* ---- scripts -------------------------------------------------------------------------------------------------------- */

/* Jobs of this process end with it: they are waited for. */
static int wait_for_jobs(struct shell *sh)
{
    const char *job;
    int exit_code = 0;
    while (sh->embedded != NULL && (job = embedded_running(sh->embedded)) != NULL) {
        const struct sql_executor *x = embedded_executor(sh->embedded);
        char id[ID_HEX_LEN + 1];
        struct error err = ERROR_INIT;
        memcpy(id, job, sizeof(id));
        int rc = 0;
        while (rc == 0) {
            if (interrupt_came()) {
                return EXIT_INTERRUPTED; /* the jobs are cancelled with their executor */
            }
            rc = x->wait(x->arg, id, WAIT_MS, &err);
        }
        if (rc < 0) {
            shell_error(sh, &err, (struct slice){NULL, 0}, NULL);
            exit_code = EXIT_FAILED;
        }
    }
    return exit_code;
}

static int run_all(struct shell *sh)
{
    const struct sqlclient_options *o = sh->options;
    int rc = 0;
    for (uint32_t i = 0; i < o->n_init && rc == 0; i++) {
        rc = shell_run_file(sh, o->init[i]);
    }
    if (rc != 0 || sh->is_over) {
        return rc;
    }
    if (o->statements != NULL) {
        return shell_run_script(sh, NULL, slice_cstr(o->statements));
    }
    if (o->file != NULL) {
        if (strcmp(o->file, "-") != 0 && !o->only_check) {
            shell_info(sh, "Executing SQL from file.");
            printf("\n");
        }
        return shell_run_file(sh, o->file);
    }
    sh->editor = editor_new(sh, o->history);
    if (sh->editor == NULL) {
        return shell_run_file(sh, "-");
    }
    sh->is_interactive = true;
    return type_statements(sh);
}

int sqlclient_run(const struct conf *conf, const struct sqlclient_options *options)
{
    struct shell sh;
    struct error err = ERROR_INIT;
    shell_init(&sh, options);
    interrupt_install();
    int exit_code = EXIT_FAILED;
    if (open_session(&sh, conf, &err) < 0) {
        shell_error(&sh, &err, (struct slice){NULL, 0}, NULL);
    } else {
        exit_code = run_all(&sh);
        if (exit_code == 0 && !sh.is_interactive) {
            exit_code = wait_for_jobs(&sh);
        } else if (sh.embedded != NULL && embedded_running(sh.embedded) != NULL) {
            shell_warning(&sh, "Jobs that still run in this process are cancelled.");
        }
        if (exit_code == 0 && options->only_check) {
            shell_info(&sh, "All statements are valid.");
        }
    }
    shell_fini(&sh);
    (void)fflush(stdout);
    return exit_code;
}
