/* Routes of the job manager's own process: configuration, environment, logs, threads. */
#include "common/base/log.h"
#include "common/process/log_files.h"
#include "common/process/stack_dump.h"
#include "jobmanager/rest/rest_internal.h"
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- configuration and environment ---------------------------------------------------------------- */

static int jobmanager_config(void *owner, const struct http_request *rq, struct http_response *rs,
                             struct error *err)
{
    struct rest_server *s = owner;
    conf_write_json(s->o.conf, http_response_json(rs));
    return 0;
}

/* One argument of the command line, the value of a secret key masked. */
static void write_argument(struct json_writer *w, const struct conf *conf, const char *arg)
{
    const char *property = cstr_starts_with(arg, "-D") ? arg + 2 : arg;
    const char *equals = strchr(property, '=');
    if (equals != NULL) {
        char *key = mem_strndup(property, (size_t)(equals - property));
        bool secret = conf_is_sensitive(conf, key);
        mem_free(key);
        if (secret) {
            json_writer_printf(w, "%.*s=" CONF_MASK, (int)(equals - arg), arg);
            return;
        }
    }
    json_writer_string(w, arg);
}

static void write_arguments(struct json_writer *w, const struct conf *conf)
{
    enum { ARGUMENTS_MAX = 64 * 1024 };
    char *text = mem_alloc(ARGUMENTS_MAX);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, ARGUMENTS_MAX - 1) : 0;
    n = MAX(n, (ssize_t)0);
    text[n] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    for (char *arg = text; arg < text + n; arg += strlen(arg) + 1) {
        if (arg != text) {
            write_argument(w, conf, arg);
        }
    }
    mem_free(text);
}

static int write_library(struct dl_phdr_info *info, size_t size, void *arg)
{
    if (info->dlpi_name != NULL && info->dlpi_name[0] != '\0') {
        json_writer_string(arg, info->dlpi_name);
    }
    return 0;
}

void rest_write_own_environment(struct json_writer *w, const struct conf *conf)
{
    struct utsname system = {0};
    char program[4096];
    uname(&system);
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[MAX(n, (ssize_t)0)] = '\0';
    json_writer_object(w);
    json_writer_key(w, "jvm"); /* what runs the program; no Java here */
    json_writer_object(w);
    json_writer_put_string(w, "version",
                           "Flinc " FLINC_VERSION " - native code, compiler " __VERSION__);
    json_writer_put_string(w, "arch", system.machine);
    json_writer_key(w, "options");
    json_writer_array(w);
    write_arguments(w, conf);
    json_writer_end(w);
    json_writer_end(w);
    json_writer_key(w, "classpath"); /* the program and its shared objects */
    json_writer_array(w);
    json_writer_string(w, program);
    dl_iterate_phdr(write_library, w);
    json_writer_end(w);
    json_writer_end(w);
}

static int jobmanager_environment(void *owner, const struct http_request *rq,
                                  struct http_response *rs, struct error *err)
{
    struct rest_server *s = owner;
    rest_write_own_environment(http_response_json(rs), s->o.conf);
    return 0;
}

/* ---- logs ----------------------------------------------------------------------------------------- */

#define NO_LOG_FILE "This file does not exist in JobManager log dir."

static int log_list(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct rest_server *s = owner;
    struct vec files = VEC_INIT(struct log_file);
    struct error missing = ERROR_INIT; /* no folder: no files */
    if (s->o.log_dir != NULL && log_files_list(s->o.log_dir, &files, &missing) < 0) {
        LOG_WARN("flinc.rest", "the log folder cannot be listed: %s", missing.message);
    }
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "logs");
    json_writer_array(w);
    for (size_t i = 0; i < files.len; i++) {
        const struct log_file *f = VEC_AT(&files, struct log_file, i);
        json_writer_object(w);
        json_writer_put_string(w, "name", f->name);
        json_writer_put_int(w, "size", (int64_t)f->size);
        json_writer_put_int(w, "mtime", f->mtime_ms);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    log_files_fini(&files);
    return 0;
}

/* A file whose path the process knows itself. */
static int answer_own_file(struct http_response *rs, const char *path)
{
    struct stat st;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        rest_answer_text_file(rs, fd, (uint64_t)st.st_size);
        return 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return rest_fail(rs, 404, NO_LOG_FILE);
}

static int log_main(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    return answer_own_file(rs, ((struct rest_server *)owner)->o.log_file);
}

static int log_stdout(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    return answer_own_file(rs, ((struct rest_server *)owner)->o.out_file);
}

static int log_named(void *owner, const struct http_request *rq, struct http_response *rs,
                     struct error *err)
{
    struct rest_server *s = owner;
    const char *name = http_request_param(rq, "filename");
    struct error missing = ERROR_INIT;
    uint64_t size;
    int fd;
    if (s->o.log_dir == NULL || log_files_open(s->o.log_dir, name, &fd, &size, &missing) < 0) {
        return rest_fail(rs, 404, NO_LOG_FILE);
    }
    rest_answer_text_file(rs, fd, size);
    return 0;
}

/* ---- threads -------------------------------------------------------------------------------------- */

static void write_thread(void *arg, const struct stack_dump_thread *thread)
{
    struct json_writer *w = arg;
    json_writer_object(w);
    json_writer_put_string(w, "threadName", thread->name);
    json_writer_put_string(w, "stringifiedThreadInfo", thread->text);
    json_writer_end(w);
}

static int thread_dump(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    STR_AUTO list = STR_INIT;
    struct json_writer threads, *w;
    json_writer_init(&threads, &list, JSON_STYLE_COMPACT);
    json_writer_array(&threads);
    TRY(stack_dump_all(write_thread, &threads, err));
    json_writer_end(&threads);
    w = http_response_json(rs);
    json_writer_object(w);
    json_writer_key(w, "threadInfos");
    json_writer_raw(w, str_slice(&list));
    json_writer_end(w);
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static const struct rest_route routes[] = {
    REST_ROW(GET, "/jobmanager/config", 0, jobmanager_config,
             "The configuration; secrets are masked.", "-", "ConfigurationInfo"),
    REST_ROW(GET, "/jobmanager/environment", 0, jobmanager_environment,
             "Version, command line and loaded libraries of the process.", "-", "EnvironmentInfo"),
    REST_ROW(GET, "/jobmanager/logs", HTTP_BLOCKING, log_list, "The files of the log folder.", "-",
             "LogListInfo"),
    REST_ROW(GET, "/jobmanager/log", HTTP_BLOCKING, log_main, "The log.", "-", "text"),
    REST_ROW(GET, "/jobmanager/stdout", HTTP_BLOCKING, log_stdout, "The standard output.", "-",
             "text"),
    REST_ROW(GET, "/jobmanager/logs/:filename", HTTP_BLOCKING, log_named,
             "A file of the log folder.", "-", "text"),
    REST_ROW(GET, "/jobmanager/thread-dump", HTTP_BLOCKING, thread_dump,
             "The native stacks of the process's threads.", "-", "ThreadDumpInfo"),
};
const struct rest_family rest_process_family = REST_FAMILY("The job manager's process", routes);
