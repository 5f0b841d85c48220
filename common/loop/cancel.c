/* Cancel tokens: a counted flag, and an eventfd that is made when somebody wants to poll it.
 *
 * Thread: any.  The descriptor is made once and lives as long as the token; a cancel that comes before
 * it is made is seen by whoever makes it. */
#include "common/loop/cancel.h"

#include "common/base/mem.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cancel_token {
    _Atomic uint32_t refs;
    _Atomic bool cancelled;
    _Atomic int fd; /* -1: none yet */
};

struct cancel_token *cancel_token_new(void)
{
    struct cancel_token *t = MEM_NEW(struct cancel_token);
    atomic_init(&t->refs, 1);
    atomic_init(&t->fd, -1);
    return t;
}

struct cancel_token *cancel_token_ref(struct cancel_token *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

struct cancel_token *cancel_token_unref(struct cancel_token *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        int fd = atomic_load_explicit(&t->fd, memory_order_relaxed);
        if (fd >= 0) {
            close(fd);
        }
        mem_free(t);
    }
    return NULL;
}

static void cancel_token_raise(int fd)
{
    /* An eventfd refuses only when its counter is full, and then it is readable anyway. */
    (void)!write(fd, &(uint64_t){1}, sizeof(uint64_t));
}

void cancel_token_cancel(struct cancel_token *t)
{
    /* Sequentially consistent with cancel_token_fd(): one of the two sees the other. */
    atomic_store(&t->cancelled, true);
    int fd = atomic_load(&t->fd);
    if (fd >= 0) {
        cancel_token_raise(fd);
    }
}

bool cancel_token_is_cancelled(const struct cancel_token *t)
{
    return t != NULL && atomic_load_explicit(&t->cancelled, memory_order_acquire);
}

int cancel_token_check(const struct cancel_token *t, const char *what, struct error *err)
{
    if (LIKELY(!cancel_token_is_cancelled(t))) {
        return 0;
    }
    return error_set(err, ERR_CANCELLED, "%s was cancelled", what != NULL ? what : "the work");
}

int cancel_token_fd(struct cancel_token *t, struct error *err)
{
    int fd = atomic_load(&t->fd);
    if (fd >= 0) {
        return fd;
    }
    int made = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made < 0) {
        return error_set_errno(err, errno, "making a descriptor for a cancel token");
    }
    if (!atomic_compare_exchange_strong(&t->fd, &fd, made)) {
        close(made);
        return fd;
    }
    if (atomic_load(&t->cancelled)) {
        cancel_token_raise(made);
    }
    return made;
}
