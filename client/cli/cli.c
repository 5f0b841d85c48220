/* Finds the action, loads the configuration, runs; see cli.h. */
#include "client/cli/cli.h"
#include "client/sqlclient/sqlclient.h"
#include "client/statetool/statetool.h"
#include "common/base/build_info.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/fs/drivers/drivers.h"
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cli_action actions[] = {
    {"run", CLI_RUN, "run [OPTIONS] <job bundle> <arguments>", "compiles and runs a job", cli_run},
    {"info", CLI_INFO, "info [OPTIONS] <job bundle> <arguments>",
     "shows the execution plan of a job as JSON", cli_info},
    {"list", CLI_LIST, "list [OPTIONS]", "lists running and scheduled jobs", cli_list},
    {"cancel", CLI_CANCEL, "cancel [OPTIONS] <Job ID>", "cancels a running job", cli_cancel},
    {"stop", CLI_STOP, "stop [OPTIONS] <Job ID>", "stops a running job with a savepoint", cli_stop},
    {"savepoint", CLI_SAVEPOINT, "savepoint [OPTIONS] <Job ID> [<target directory>]",
     "triggers a savepoint for a running job or disposes of one", cli_savepoint},
    {"checkpoint", CLI_CHECKPOINT, "checkpoint [OPTIONS] <Job ID>",
     "triggers a checkpoint for a running job", cli_checkpoint},
    {"modify", CLI_MODIFY, "modify [OPTIONS] <Job ID>",
     "changes the parallelism of a running job (adaptive scheduler)", cli_modify},
};

/* ---- help ------------------------------------------------------------------------------------------ */

static void print_action_help(const struct cli_action *a)
{
    printf("Action \"%s\" %s.\n\n  Syntax: %s\n", a->name, a->summary, a->usage);
    cli_print_options(a->bit);
    printf("\n");
}

static void print_help(void)
{
    printf("./flink <ACTION> [OPTIONS] [ARGUMENTS]\n\nThe following actions are available:\n\n");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        print_action_help(&actions[i]);
    }
    printf("Action \"sql\" %s.\n\n  Syntax: sql [OPTIONS]; more with sql -h\n\n",
           sqlclient_summary);
    printf(
        "Action \"state\" %s.\n\n  Syntax: state info|ls|dump|diff <snapshot> [OPTIONS]; more with "
        "state -h\n\n",
        statetool_summary);
    printf("  -h,--help      Show this help.\n  -v,--version   Show the version.\n");
}

static void print_unknown_action(const char *name)
{
    const char *names[ARRAY_LEN(actions) + 2];

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        names[i] = actions[i].name;
    }
    names[ARRAY_LEN(actions)] = "state";
    names[ARRAY_LEN(actions) + 1] = "sql";
    const char *near = cstr_nearest(name, names, ARRAY_LEN(names));
    fprintf(stderr, "\"%s\" is not a valid action.%s%s%s\n\n", name,
            near != NULL ? " Did you mean \"" : "", near != NULL ? near : "",
            near != NULL ? "\"?" : "");
    fprintf(stderr, "Valid actions are");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        fprintf(stderr, "%s \"%s\"", i > 0 ? "," : "", names[i]);
    }
    fprintf(stderr, ".\n\nSpecify the version option (-v or --version) to print Flinc's version.\n"
                    "\nSpecify the help option (-h or --help) to get help on the command.\n");
}

int cli_fail(const struct error *err)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX + 64];

    (void)fflush(stdout);
    fprintf(stderr,
            "\n------------------------------------------------------------\n"
            " The program finished with the following exception:\n\n%s\n",
            error_format(err, text, sizeof(text)));
    return err->code == ERR_CANCELLED ? CLI_EXIT_CANCELLED : CLI_EXIT_ERROR;
}

/* ---- signals --------------------------------------------------------------------------------------- */

struct crash_slot cli_crash_slot;
static volatile sig_atomic_t interrupted;
static int64_t interrupted_ns; /* by the handler only */

/* A signal sent to the process and to its group arrives twice at once; a person who does not want to wait
 * needs longer than this for the second one. */
enum { SAME_INTERRUPT_NS = 300 * 1000 * 1000 };

static void on_interrupt(int signal_number)
{
    int64_t now = clock_monotonic_ns(&clock_system); /* clock_gettime: safe in a handler */

    if (interrupted && now - interrupted_ns > SAME_INTERRUPT_NS) {
        _exit(128 + signal_number);
    }
    if (!interrupted) {
        interrupted_ns = now;
    }
    interrupted = 1;
}

bool cli_is_interrupted(void)
{
    return interrupted != 0;
}

static int install_handlers(struct error *err)
{
    struct sigaction sa = {.sa_handler = on_interrupt};

    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    sa.sa_handler = SIG_IGN; /* a reader that goes away is an error of the write */
    (void)sigaction(SIGPIPE, &sa, NULL);
    TRY(crash_report_install(err));
    crash_report_enter_thread(&cli_crash_slot);
    return 0;
}

/* ---- configuration and logs ------------------------------------------------------------------------- */

/* log/ of the distribution that the program lies in; "" when there is none to write to. */
static void default_log_dir(struct str *ret)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    for (int up = 0; up < 2 && n > 0; up++) { /* bin/flink -> bin -> the distribution */
        exe[n] = '\0';
        const char *slash = strrchr(exe, '/');
        n = slash != NULL ? slash - exe : 0;
    }
    if (n > 0) {
        str_append(ret, exe, (size_t)n);
        str_append_cstr(ret, "/log");
    }
    if (ret->len > 0 && access(str_cstr(ret), W_OK) != 0) {
        str_clear(ret);
    }
}

static void find_log_dir(const struct conf *conf, struct str *ret)
{
    const char *dir = getenv("FLINK_LOG_DIR");

    if (dir == NULL && conf_has_value(conf, "env.log.dir")) {
        dir = conf_string(conf, "env.log.dir");
    }
    if (dir != NULL) {
        str_append_cstr(ret, dir);
    } else {
        default_log_dir(ret);
    }
}

/* As the start scripts name their files. */
static const char *user_name(void)
{
    const char *name = getenv("FLINK_IDENT_STRING");

    name = name != NULL ? name : getenv("USER");
    if (name == NULL) {
        const struct passwd *entry = getpwuid(getuid());
        name = entry != NULL ? entry->pw_name : "flink";
    }
    return name;
}

static void open_log(const struct conf *conf)
{
    const char *user = user_name();
    enum log_level level = LOG_LEVEL_INFO;
    char host[256] = "localhost";
    struct error err = ERROR_INIT;
    STR_AUTO dir = STR_INIT;
    STR_AUTO path = STR_INIT;

    (void)log_level_parse(conf_string(conf, "env.log.level"), &level);
    find_log_dir(conf, &dir);
    if (dir.len == 0) {
        /* Nowhere to write: the command itself says what a person must know. */
        log_set_level(LOG_LEVEL_ERROR);
        return;
    }
    log_set_level(level);
    (void)gethostname(host, sizeof(host) - 1);
    str_printf(&path, "%s/flink-%s-client-%s.log", str_cstr(&dir), user, host);
    if (log_open_file(str_cstr(&path), &err) < 0) {
        fprintf(stderr, "WARNING: nothing is logged: %s\n", err.message);
        log_set_level(LOG_LEVEL_ERROR);
    }
}

/* What is odd about the configuration is said to the person who gave it, and kept in the log. */
static void show_conf_warnings(struct conf *conf)
{
    for (size_t i = 0; i < conf->warnings.n; i++) {
        fprintf(stderr, "WARNING: %s\n", conf->warnings.items[i]);
    }
    conf_log_warnings(conf);
}

static int load_conf(struct conf *conf, struct error *err)
{
    struct error cause = ERROR_INIT;

    conf_init(conf, NULL);
    int rc = conf_load_dir(conf, NULL, &cause);
    if (rc == ERR_NOT_FOUND && getenv("FLINK_CONF_DIR") == NULL) {
        return 0; /* run from a build folder, or with the defaults on purpose */
    }
    if (rc < 0) {
        error_copy(err, &cause);
    }
    return rc;
}

static int run_action(const struct cli_action *action, int argc, char **argv)
{
    struct cli_args args = {.bundle = NULL};
    struct error err = ERROR_INIT;

    int rc = load_conf(&args.conf, &err);
    if (rc == 0) {
        rc = cli_args_parse(&args, action->bit, argc, argv, &err);
    }
    if (rc == 0 && args.help) {
        print_action_help(action);
        cli_args_fini(&args);
        return CLI_EXIT_OK;
    }
    if (rc == 0) {
        open_log(&args.conf);
        show_conf_warnings(&args.conf);
        rc = file_systems_register(&args.conf, &err);
    }
    if (rc == 0) {
        rc = install_handlers(&err);
    }
    int status = rc < 0 ? cli_fail(&err) : action->run(&args);
    cli_args_fini(&args);
    log_close();
    return status;
}

/* Of the configuration it needs how file systems are reached, and -Dkey=value. */
static int run_state(int argc, char **argv)
{
    struct conf conf;
    struct error err = ERROR_INIT;

    int rc = load_conf(&conf, &err);
    rc = rc == 0 ? conf_take_dynamic_args(&conf, &argc, argv, &err) : rc;
    rc = rc == 0 ? file_systems_register(&conf, &err) : rc;
    int status = rc < 0 ? cli_fail(&err) : statetool_main(argc, argv, stdout);
    conf_fini(&conf);
    return status;
}

/* The SQL shell has options of its own. */
static int run_sql(int argc, char **argv)
{
    struct sqlclient_options options = {.jars = TEXT_LIST_INIT};
    struct conf conf;
    struct error err = ERROR_INIT;

    int rc = load_conf(&conf, &err);
    rc = rc == 0 ? sqlclient_parse(&conf, argc, argv, &options, &err) : rc;
    if (rc == 0 && options.is_help) {
        sqlclient_print_help();
        sqlclient_options_fini(&options);
        conf_fini(&conf);
        return CLI_EXIT_OK;
    }
    if (rc == 0) {
        open_log(&conf);
        show_conf_warnings(&conf);
        rc = file_systems_register(&conf, &err);
    }
    rc = rc == 0 ? install_handlers(&err) : rc;
    int status = rc < 0 ? cli_fail(&err) : sqlclient_run(&conf, &options);
    sqlclient_options_fini(&options);
    conf_fini(&conf);
    log_close();
    return status;
}

__attribute__((visibility("default"))) int flinc_private_cli_main(int argc, char **argv);

int flinc_private_cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_help();
        fprintf(stderr, "\nPlease specify an action.\n");
        return CLI_EXIT_ERROR;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return CLI_EXIT_OK;
    }
    if (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("Version: %s, Commit ID: %s\n", FLINC_VERSION, build_commit());
        return CLI_EXIT_OK;
    }
    if (strcmp(argv[1], "state") == 0) {
        return run_state(argc - 2, argv + 2);
    }
    if (strcmp(argv[1], "sql") == 0) {
        return run_sql(argc - 2, argv + 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(argv[1], actions[i].name) == 0) {
            return run_action(&actions[i], argc - 2, argv + 2);
        }
    }
    print_unknown_action(argv[1]);
    return CLI_EXIT_ERROR;
}
