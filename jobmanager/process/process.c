/* The process from its first line to its exit code; see process.h. */
#include "jobmanager/process/process.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/conf/log_setup.h"
#include "common/fs/drivers/drivers.h"
#include "common/process/stack_dump.h"
#include "jobmanager/adaptive/adaptive_config.h"
#include "jobmanager/process/application.h"
#include "jobmanager/process/leadership.h"
#include "jobmanager/process/signals.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char topic[] = "flinc.process";

/* What callbacks of other threads need. */
static bool end_with_job;

/* The process that leads, or waits for it. */
struct leading {
    struct services services;
    const struct process_args *args;
    struct application *application; /* NULL: none, or it does not lead */
};

/* ---- how a process ends ------------------------------------------------------------------------------ */

static int exit_code_of(enum job_status status)
{
    switch (status) {
    case JOB_STATUS_FINISHED:
    case JOB_STATUS_CANCELED:
        return PROCESS_EXIT_SUCCEEDED;
    case JOB_STATUS_FAILED:
        return PROCESS_EXIT_FAILED;
    default:
        return PROCESS_EXIT_UNKNOWN;
    }
}

static void on_job_ended(void *owner, const struct flinc_id *job_id, enum job_status status)
{
    (void)owner;
    (void)job_id;
    if (end_with_job && status != JOB_STATUS_SUSPENDED) {
        LOG_INFO(topic, "The application has ended: %s.", job_status_name(status));
        signals_ask_end(exit_code_of(status));
    }
}

static void on_shutdown(void *owner)
{
    (void)owner;
    LOG_INFO(topic, "The cluster is asked to shut down over REST.");
    signals_ask_end(PROCESS_EXIT_SUCCEEDED);
}

static void on_application_failed(void *owner, const struct flinc_id *job_id, const char *name,
                                  const struct error *why)
{
    const struct services *services = owner;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(why, text, sizeof(text));
    LOG_ERROR(topic, "Application failed unexpectedly: %s", text);
    fprintf(stderr, "Application failed unexpectedly: %s\n", text);
    if (conf_bool(services->options.conf, "execution.submit-failed-job-on-application-error")) {
        dispatcher_add_failed(services->dispatcher, job_id, name, DISPATCHER_FAILED_FOR_GOOD, why);
    } else {
        signals_ask_end(PROCESS_EXIT_RUNTIME_FAILURE);
    }
}

/* People look into the log, scripts and containers at standard error. */
static int startup_failed(const struct error *err)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(err, text, sizeof(text));
    if (getenv("FLINC_LOG_FILE") != NULL) {
        LOG_ERROR(topic, "Could not start the job manager: %s", text);
    }
    fprintf(stderr, "Could not start the job manager: %s\n", text);
    return PROCESS_EXIT_STARTUP_FAILURE;
}

/* ---- running ---------------------------------------------------------------------------------------- */

static void log_start(const struct conf *conf, const struct process_args *args)
{
    LOG_INFO(topic,
             "--------------------------------------------------------------------------------");
    LOG_INFO(topic, " Starting the job manager (Flinc %s, %s), process %d", FLINC_VERSION,
             args->application ? "application mode" : "session cluster", (int)getpid());
    MAP_FOREACH (&conf->entries, e) {
        STR_AUTO shown = STR_INIT;
        conf_append_shown(conf, e->value, &shown);
        LOG_INFO(topic, " %s: %s", e->key, str_cstr(&shown));
    }
    LOG_INFO(topic,
             "--------------------------------------------------------------------------------");
}

static int wait_for_end(const struct conf *conf)
{
    int exit_code = PROCESS_EXIT_SUCCEEDED;
    int number = signals_wait(&exit_code);
    if (number != 0) {
        LOG_INFO(topic, "RECEIVED SIGNAL %d: %s. Shutting down as requested.", number,
                 strsignal(number));
    }
    signals_begin_end(conf_duration_ms(conf, "cluster.services.shutdown-timeout"));
    return exit_code;
}

/* Thread: the leadership's. */
static int on_lead(void *owner, struct error *err)
{
    struct leading *l = owner;
    return l->args->application ? application_start(&l->services, l->args, on_application_failed,
                                                    &l->application, err)
                                : 0;
}

static void on_retire(void *owner)
{
    struct leading *l = owner;
    l->application = application_stop(l->application);
}

static void on_leader_failure(void *owner, const struct error *why)
{
    (void)owner;
    signals_ask_end(startup_failed(why));
}

static int run(struct conf *conf, struct spawner *spawner, const struct process_args *args)
{
    struct error err = ERROR_INIT;
    struct leading l = {.args = args};
    struct leadership *leadership = NULL;
    struct services_options o = {
        .conf = conf,
        .spawner = spawner,
        .application = args->application,
        .on_job_ended = on_job_ended,
        .on_shutdown = on_shutdown,
    };
    end_with_job = args->application && conf_bool(conf, "execution.shutdown-on-application-finish");
    int rc = services_start(&l.services, &o, &err);
    if (rc < 0) {
        return startup_failed(&err);
    }
    const struct leadership_options leads = {
        .services = &l.services,
        .on_lead = on_lead,
        .on_retire = on_retire,
        .on_failure = on_leader_failure,
        .owner = &l,
    };
    rc = leadership_start(&leads, &leadership, &err);
    int exit_code = rc == 0 ? wait_for_end(conf) : startup_failed(&err);
    leadership_stop(leadership);
    services_stop(&l.services);
    LOG_INFO(topic, "The job manager has stopped with exit code %d.", exit_code);
    return exit_code;
}

static int prepare(const struct process_args *args, struct conf *conf, struct error *err)
{
    TRY(process_args_load_conf(args, conf, err));
    TRY(log_setup_daemon(conf, err));
    TRY(file_systems_register(conf, err));
    TRY(adaptive_check_cluster(conf, args->application, err));
    TRY(signals_init(err));
    conf_log_warnings(conf);
    log_start(conf, args);
    return stack_dump_install(err);
}

int jobmanager_main(int argc, char **argv)
{
    struct spawner *spawner = NULL;
    struct process_args args = {.help = false};
    struct error err = ERROR_INIT;
    struct conf conf;
    int exit_code;
    if (spawner_fork("flinc-spawner", &spawner, &err) < 0) {
        return startup_failed(&err);
    }
    conf_init(&conf, NULL);
    if (process_args_parse(&args, argc, argv, &err) < 0) {
        exit_code = startup_failed(&err);
    } else if (args.help) {
        process_args_print_help();
        exit_code = PROCESS_EXIT_SUCCEEDED;
    } else if (args.lists_failpoints) {
        failpoint_print_rows();
        exit_code = PROCESS_EXIT_SUCCEEDED;
    } else if (prepare(&args, &conf, &err) < 0) {
        exit_code = startup_failed(&err);
    } else {
        exit_code = run(&conf, spawner, &args);
    }
    spawner_free(spawner);
    conf_fini(&conf);
    process_args_fini(&args);
    log_close();
    return exit_code;
}
