/* The process from its first line to its exit code; see process.h.  Thread: main. */
#include "jobmanager/history/process.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/conf/log_setup.h"
#include "common/fs/drivers/drivers.h"
#include "common/process/stack_dump.h"
#include "jobmanager/history/server.h"
#include "jobmanager/process/args.h"
#include "jobmanager/process/home.h"
#include "jobmanager/process/signals.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_STARTUP = 1 };

static int startup_failed(const struct error *err)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(err, text, sizeof(text));
    if (getenv("FLINC_LOG_FILE") != NULL) {
        LOG_ERROR(HISTORY_TOPIC, "Could not start the history server: %s", text);
    }
    fprintf(stderr, "Could not start the history server: %s\n", text);
    return EXIT_STARTUP;
}

static void print_help(void)
{
    printf("flinc-historyserver [OPTIONS]\n\nStarted by historyserver.sh.\n\n"
           "  %-36s Show this help.\n"
           "  %-36s The folder of config.yaml (else $FLINK_CONF_DIR, else ../conf beside the "
           "program).\n"
           "  %-36s Sets a configuration key; may be repeated.\n",
           "-h,--help", "-c,--configDir <folder>", "-D <key=value>");
}

static int serve(const struct conf *conf, struct history *history, struct error *err)
{
    STR_AUTO web_root = STR_INIT;
    struct history_server *server = NULL;
    int exit_code = 0;
    services_home_path("web", &web_root);
    struct history_server_options o = {
        .conf = conf,
        .history = history,
        .web_root = access(str_cstr(&web_root), R_OK) == 0 ? str_cstr(&web_root) : NULL,
    };
    TRY(history_server_start(&o, &server, err));
    int rc = history_start(history, err);
    if (rc == 0) {
        const char *address = conf_string(conf, "historyserver.web.address");
        LOG_INFO(HISTORY_TOPIC, "Web frontend listening at %s://%s:%u.",
                 conf_bool(conf, "historyserver.web.ssl.enabled") ? "https" : "http",
                 address != NULL ? address : "localhost", history_server_port(server));
        int number = signals_wait(&exit_code);
        LOG_INFO(HISTORY_TOPIC, "RECEIVED SIGNAL %d: %s. Shutting down as requested.", number,
                 strsignal(number));
        signals_begin_end(conf_duration_ms(conf, "cluster.services.shutdown-timeout"));
    }
    history_server_stop(server);
    return rc;
}

static int run(const struct conf *conf)
{
    struct error err = ERROR_INIT;
    struct history *history = NULL;
    struct history_options o = {.conf = conf};
    int rc = history_new(&o, &history, &err);
    if (rc == 0) {
        rc = serve(conf, history, &err);
    }
    history_free(history);
    if (rc < 0) {
        return startup_failed(&err);
    }
    LOG_INFO(HISTORY_TOPIC, "The history server has stopped.");
    return 0;
}

static int prepare(const struct process_args *args, struct conf *conf, struct error *err)
{
    TRY(process_args_load_conf(args, conf, err));
    TRY(log_setup_daemon(conf, err));
    TRY(file_systems_register(conf, err));
    TRY(signals_init(err));
    conf_log_warnings(conf);
    LOG_INFO(HISTORY_TOPIC, " Starting the history server (Flinc %s), process %d", FLINC_VERSION,
             (int)getpid());
    return stack_dump_install(err);
}

int history_main(int argc, char **argv)
{
    struct process_args args = {.help = false};
    struct error err = ERROR_INIT;
    struct conf conf;
    int exit_code;
    conf_init(&conf, NULL);
    if (process_args_parse(&args, argc, argv, &err) < 0) {
        exit_code = startup_failed(&err);
    } else if (args.help) {
        print_help();
        exit_code = 0;
    } else if (args.lists_failpoints) {
        failpoint_print_rows();
        exit_code = 0;
    } else if (prepare(&args, &conf, &err) < 0) {
        exit_code = startup_failed(&err);
    } else {
        exit_code = run(&conf);
    }
    file_systems_shut_down();
    conf_fini(&conf);
    process_args_fini(&args);
    log_close();
    return exit_code;
}
