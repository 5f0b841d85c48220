/* The command line; see args.h. */
#include "jobmanager/process/args.h"

#include "common/base/clock.h"
#include <stdio.h>

enum option_id {
    OPTION_HELP,
    OPTION_CONFIG_DIR,
    OPTION_PROPERTY,
    OPTION_IGNORED, /* with a value, as Flink 1.20 gives it */
    OPTION_HOST,
    OPTION_WEB_PORT,
    OPTION_APPLICATION,
    OPTION_CLASSNAME,
    OPTION_JOB_ID,
    OPTION_JARS,
    OPTION_SAVEPOINT,
    OPTION_ALLOW,
    OPTION_FAILPOINTS,
};

struct process_option {
    enum option_id id;
    const char *short_name, *long_name;
    const char *value; /* how the help names its value; NULL: none */
    bool of_application;
    const char *text;
};

static const struct process_option options[] = {
    {OPTION_HELP, "-h", "--help", NULL, false, "Show this help."},
    {OPTION_CONFIG_DIR, "-c", "--configDir", "<folder>", false,
     "The folder of config.yaml (else $FLINK_CONF_DIR, else ../conf beside the program)."},
    {OPTION_PROPERTY, "-D", NULL, "<key=value>", false,
     "Sets a configuration key; may be repeated."},
    {OPTION_IGNORED, "-x", "--executionMode", "<mode>", false,
     "Accepted, as Flink 1.20 does; without effect."},
    {OPTION_HOST, NULL, "--host", "<host>", false, "The same as -D jobmanager.rpc.address=<host>."},
    {OPTION_WEB_PORT, "-r", "--webui-port", "<port>", false, "The same as -D rest.port=<port>."},
    {OPTION_APPLICATION, NULL, "--application", NULL, false,
     "Runs one job and ends with it (standalone-job.sh gives it)."},
    {OPTION_CLASSNAME, "-j", "--job-classname", "<name>", true,
     "The bundle: its path, its file's name in usrlib/, or the name of its job; not needed when "
     "there "
     "is one bundle in usrlib/."},
    {OPTION_JOB_ID, "-jid", "--job-id", "<hex>", true, "The job's id, 32 hexadecimal digits."},
    {OPTION_JARS, "-jars", "--jars", "<path>", true, "The path of the bundle."},
    {OPTION_SAVEPOINT, "-s", "--fromSavepoint", "<path>", true,
     "The savepoint or retained checkpoint to start from (execution.state-recovery.path)."},
    {OPTION_ALLOW, "-n", "--allowNonRestoredState", NULL, true,
     "With --fromSavepoint: state that the job has no operator for is left out."},
    {OPTION_FAILPOINTS, NULL, "--list-failpoints", NULL, false,
     "Lists the places at which tests make something go wrong (FLINC_FAILPOINTS)."},
};

void process_args_print_help(void)
{
    printf("flinc-jobmanager [OPTIONS] [ARGUMENTS OF THE APPLICATION]\n\n"
           "Started by jobmanager.sh and standalone-job.sh.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct process_option *o = &options[i];
        char names[64];
        (void)snprintf(names, sizeof(names), "%s%s%s%s%s",
                       o->short_name != NULL ? o->short_name : "",
                       o->short_name != NULL && o->long_name != NULL ? "," : "",
                       o->long_name != NULL ? o->long_name : "", o->value != NULL ? " " : "",
                       o->value != NULL ? o->value : "");
        printf("  %-36s %s%s\n", names, o->of_application ? "(application) " : "", o->text);
    }
}

/* ---- parsing -------------------------------------------------------------------------------------- */

static bool names(const char *arg, size_t len, const char *name)
{
    return name != NULL && strlen(name) == len && memcmp(arg, name, len) == 0;
}

/* `--name value` and `--name=value`; *ret_value: what stands behind '='. */
static const struct process_option *find(const char *arg, const char **ret_value)
{
    const char *equals = cstr_starts_with(arg, "--") ? strchr(arg, '=') : NULL;
    size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
    *ret_value = equals != NULL ? equals + 1 : NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (names(arg, len, options[i].short_name) || names(arg, len, options[i].long_name)) {
            return &options[i];
        }
    }
    if (cstr_starts_with(arg, "-D") && arg[2] != '\0') {
        *ret_value = arg + 2;
        return &options[OPTION_PROPERTY];
    }
    return NULL;
}

static char *property(const char *key, const char *value)
{
    struct str text = STR_INIT;
    str_printf(&text, "%s=%s", key, value);
    return str_take(&text);
}

static void apply(struct process_args *a, enum option_id id, const char *value)
{
    switch (id) {
    case OPTION_HELP:
        a->help = true;
        break;
    case OPTION_CONFIG_DIR:
        a->config_dir = value;
        break;
    case OPTION_PROPERTY:
        vec_push_ptr(&a->properties, mem_strdup(value));
        break;
    case OPTION_HOST:
        vec_push_ptr(&a->properties, property("jobmanager.rpc.address", value));
        break;
    case OPTION_WEB_PORT:
        vec_push_ptr(&a->properties, property("rest.port", value));
        break;
    case OPTION_APPLICATION:
        a->application = true;
        break;
    case OPTION_CLASSNAME:
        a->job_classname = value;
        break;
    case OPTION_JOB_ID:
        a->job_id = value;
        break;
    case OPTION_JARS:
        a->jars = value;
        break;
    case OPTION_SAVEPOINT:
        if (value[0] != '\0') {
            vec_push_ptr(&a->properties, property("execution.state-recovery.path", value));
        }
        break;
    case OPTION_ALLOW:
        vec_push_ptr(&a->properties,
                     property("execution.state-recovery.ignore-unclaimed-state", "true"));
        break;
    case OPTION_FAILPOINTS:
        a->lists_failpoints = true;
        break;
    case OPTION_IGNORED:
        break;
    }
}

static int check(const struct process_args *a, struct error *err)
{
    struct flinc_id id;
    if (!a->application && a->n_job_args > 0) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "Unrecognized argument '%s'; a session cluster takes --configDir and -D only.",
            a->job_args[0]);
    }
    if (a->job_id != NULL && !id_parse(a->job_id, &id)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "--job-id %s: a job id has 32 hexadecimal digits.", a->job_id);
    }
    return 0;
}

int process_args_parse(struct process_args *a, int argc, char **argv, struct error *err)
{
    *a = (struct process_args){.help = false};
    vec_init(&a->properties, sizeof(char *));
    int i = 1;
    for (; i < argc; i++) {
        const char *value;
        const struct process_option *o = find(argv[i], &value);
        if (o == NULL || (o->of_application && !a->application)) {
            break;
        }
        if (o->value != NULL && value == NULL) {
            if (i + 1 == argc) {
                return error_set(err, ERR_INVALID_ARGUMENT, "Missing argument for option: %s",
                                 argv[i]);
            }
            value = argv[++i];
        }
        apply(a, o->id, value);
    }
    a->job_args = argv + i;
    a->n_job_args = argc - i;
    return a->help || a->lists_failpoints ? 0 : check(a, err);
}

void process_args_fini(struct process_args *a)
{
    for (size_t i = 0; i < a->properties.len; i++) {
        mem_free(vec_ptr(&a->properties, i));
    }
    vec_fini(&a->properties);
}

int process_args_load_conf(const struct process_args *a, struct conf *conf, struct error *err)
{
    TRY(conf_load_dir(conf, a->config_dir, err));
    for (size_t i = 0; i < a->properties.len; i++) {
        TRY(conf_set_dynamic(conf, vec_ptr(&a->properties, i), err));
    }
    return 0;
}
