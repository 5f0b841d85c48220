/* The child's main: a request in, an answer out; see jobbuilder.h.
 *
 * A main that calls exit() ends the process: the handler of atexit() then answers in its place. */
#include "client/jobbuilder/jobbuilder.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/rpc/error_info.h"
#include "taskmanager/worker/crash_report.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_NO_PARENT = 2 };

/* ---- frames --------------------------------------------------------------------------------------- */

static bool read_all(uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = read(JOBBUILDER_FD, data, size);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        data += MAX(n, 0);
        size -= (size_t)MAX(n, 0);
    }
    return true;
}

static Flinc__BuildRequest *read_request(void)
{
    uint8_t head[4];
    if (!read_all(head, sizeof(head))) {
        return NULL;
    }
    uint32_t size = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
                    (uint32_t)head[3] << 24;
    if (size > JOBBUILDER_REQUEST_BYTES_MAX) {
        return NULL;
    }
    uint8_t *bytes = mem_alloc(size + 1);
    Flinc__BuildRequest *request =
        read_all(bytes, size) ? flinc__build_request__unpack(NULL, size, bytes) : NULL;
    mem_free(bytes);
    return request;
}

static bool write_answer(const Flinc__BuildAnswer *answer)
{
    size_t size = flinc__build_answer__get_packed_size(answer);
    uint8_t *bytes = mem_alloc(size + 4);
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(size >> (8 * i));
    }
    (void)flinc__build_answer__pack(answer, bytes + 4);
    bool done = fd_write_all(JOBBUILDER_FD, bytes, size + 4) == 0;
    mem_free(bytes);
    return done;
}

/* ---- answers -------------------------------------------------------------------------------------- */

/* Whoever made the bundle has to do something about it: the same code for all of that. */
static int shown_code(const struct error *err)
{
    return err->cls == ERROR_CLASS_USER || err->code == ERR_STATE ? ERR_INVALID_ARGUMENT
                                                                  : err->code;
}

static bool answer_error(const struct error *err)
{
    Flinc__BuildAnswer answer = FLINC__BUILD_ANSWER__INIT;
    Flinc__ErrorInfo info;
    error_info_fill(&info, err);
    info.code = shown_code(err);
    info.error_class = (uint32_t)error_code_class(info.code);
    answer.error = &info;
    return write_answer(&answer);
}

static bool in_main;

static void on_exit_in_main(void)
{
    struct error err = ERROR_INIT;
    if (in_main) {
        (void)fflush(stdout);
        (void)error_set(&err, ERR_INVALID_ARGUMENT,
                        "The job's main called exit(); it must return instead, with the result of "
                        "flinc_env_execute().");
        _exit(answer_error(&err) ? 0 : EXIT_NO_PARENT);
    }
}

static bool serve(const Flinc__BuildRequest *request)
{
    Flinc__BuildAnswer answer = FLINC__BUILD_ANSWER__INIT;
    struct error err = ERROR_INIT;
    in_main = true;
    int rc = jobbuilder_build(request, &answer.graph, &err);
    in_main = false;
    if (rc < 0) {
        return answer_error(&err);
    }
    bool done = write_answer(&answer);
    mem_free(answer.graph.data);
    return done;
}

__attribute__((visibility("default"))) int flinc_private_jobbuilder_main(int argc, char **argv);

int flinc_private_jobbuilder_main(int argc, char **argv)
{
    (void)argc;
    struct error err = ERROR_INIT;
    if (fcntl(JOBBUILDER_FD, F_SETFD, FD_CLOEXEC) < 0 ||
        dup2(JOBBUILDER_OUTPUT_FD, STDOUT_FILENO) < 0) {
        fprintf(stderr,
                "%s runs the mains of job bundles for a job manager, which starts it; it is not "
                "for people.\n",
                argv[0]);
        return EXIT_NO_PARENT;
    }
    (void)close(JOBBUILDER_OUTPUT_FD);
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_WARN);
    if (crash_report_install(&err) < 0) {
        LOG_WARN("flinc.jobbuilder", "Crashes will not be explained: %s", err.message);
    }
    Flinc__BuildRequest *request = read_request();
    if (request == NULL) {
        fprintf(stderr, "%s: no request came\n", argv[0]);
        return EXIT_NO_PARENT;
    }
    (void)atexit(on_exit_in_main);
    bool done = serve(request);
    flinc__build_request__free_unpacked(request, NULL);
    return done ? 0 : EXIT_NO_PARENT;
}
