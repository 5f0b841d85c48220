/* Runs jobbuilders, so many at once; see builder.h. */
#include "jobmanager/builder/builder.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "jobmanager/builder/child.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { AT_ONCE_DEFAULT = 4, TIMEOUT_DEFAULT_MS = 60 * 1000 };

/* Of a child's address space: a main that takes more than this is stopped by the system.  The sanitizers
 * reserve terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ADDRESS_BYTES_MAX UINT64_C(0)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ADDRESS_BYTES_MAX UINT64_C(0)
#endif
#endif
#ifndef ADDRESS_BYTES_MAX
#define ADDRESS_BYTES_MAX (UINT64_C(4) << 30)
#endif

struct job_builder {
    struct job_builder_options options;
    char *path;  /* Owns */
    int permits; /* an eventfd that counts how many may run still */
};

int job_builder_new(const struct job_builder_options *options, struct job_builder **ret,
                    struct error *err)
{
    uint32_t at_once = options->max_at_once != 0 ? options->max_at_once : AT_ONCE_DEFAULT;
    int permits = eventfd(at_once, EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);
    if (permits < 0) {
        return error_set_errno(err, errno, "making the job builder");
    }
    struct job_builder *b = MEM_NEW(struct job_builder);
    b->options = *options;
    b->path = mem_strdup(options->path);
    b->options.path = b->path;
    if (b->options.timeout_ms == 0) {
        b->options.timeout_ms = TIMEOUT_DEFAULT_MS;
    }
    b->permits = permits;
    *ret = b;
    return 0;
}

struct job_builder *job_builder_free(struct job_builder *b)
{
    if (b != NULL) {
        (void)close(b->permits);
        mem_free(b->path);
        mem_free(b);
    }
    return NULL;
}

/* Waits for the turn, as long as a main may run. */
static int take_permit(struct job_builder *b, struct cancel_token *cancel, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + b->options.timeout_ms;
    int cancel_fd = -1;
    uint64_t one;
    if (cancel != NULL) {
        cancel_fd = cancel_token_fd(cancel, err);
        TRY(cancel_fd);
    }
    while (read(b->permits, &one, sizeof(one)) < 0) {
        int64_t left = deadline - clock_monotonic_ms(&clock_system);
        struct pollfd p[] = {{.fd = b->permits, .events = POLLIN},
                             {.fd = cancel_fd, .events = POLLIN}};
        TRY(cancel_token_check(cancel, "the wait for a jobbuilder", err));
        if (left <= 0) {
            return error_set(err, ERR_TIMEOUT,
                             "Other bundles' mains have run for %lld ms, and no more may run "
                             "beside them; try again later.",
                             (long long)b->options.timeout_ms);
        }
        (void)poll(p, ARRAY_LEN(p), (int)MIN(left, (int64_t)INT32_MAX));
    }
    return 0;
}

int job_builder_run(struct job_builder *b, const Flinc__BuildRequest *request,
                    struct cancel_token *cancel, Flinc__BuildAnswer **ret_answer, struct error *err)
{
    uint64_t one = 1;
    const char *name =
        request->bundle_name[0] != '\0' ? request->bundle_name : request->bundle_path;
    struct builder_child_options o = {
        .spawner = b->options.spawner,
        .path = b->path,
        .bundle_name = name,
        .timeout_ms = b->options.timeout_ms,
        .max_address_bytes = ADDRESS_BYTES_MAX,
        .cancel = cancel,
    };
    TRY(FAILPOINT(err, "builder.run"));
    TRY(take_permit(b, cancel, err));
    int rc = builder_child_run(&o, request, ret_answer, err);
    (void)!write(b->permits, &one, sizeof(one));
    return rc;
}
