/* Asks threads for their stacks by a signal; see stack_dump.h.
 *
 * backtrace() is safe in the handler because install() called it once before (the first call loads a
 * library).  A late answer, after its asker has gone on, finds another ticket and writes nothing. */
#include "common/process/stack_dump.h"

#include "common/base/clock.h"
#include "common/base/thread.h"
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OWN_FRAMES = 2 }; /* the handler and the kernel's trampoline */

static struct {
    pthread_mutex_t lock; /* one dump at a time */
    _Atomic int asked;    /* tid; 0: nobody, -1: it is answering */
    _Atomic bool answered;
    struct event_count event;
    char name[THREAD_NAME_BYTES]; /* in full; "": the kernel's is all there is */
    int n_frames;
    void *frames[STACK_DUMP_FRAMES_MAX];
} dump = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    int self = gettid();
    if (atomic_compare_exchange_strong(&dump.asked, &self, -1)) {
        memcpy(dump.name, thread_name(), sizeof(dump.name));
        dump.n_frames = backtrace(dump.frames, STACK_DUMP_FRAMES_MAX);
        atomic_store(&dump.answered, true);
        event_count_signal(&dump.event);
    }
    errno = saved;
}

int stack_dump_install(struct error *err)
{
    void *frame;
    backtrace(&frame, 1);
    struct sigaction action = {.sa_sigaction = on_signal};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(thread_dump_signal(), &action, NULL) != 0) {
        return error_set_errno(err, errno, "installing the handler of thread dumps");
    }
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------------- */

static bool wait_for_answer(int64_t wait_ms)
{
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + wait_ms * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&dump.event);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (atomic_load(&dump.answered) || left_ns <= 0) {
            event_count_cancel(&dump.event);
            return atomic_load(&dump.answered);
        }
        event_count_wait(&dump.event, ticket, left_ns);
    }
}

/* True: its frames are in `dump`. */
static bool ask_thread(int tid, int64_t wait_ms)
{
    atomic_store(&dump.answered, false);
    atomic_store(&dump.asked, tid);
    if (syscall(SYS_tgkill, getpid(), tid, thread_dump_signal()) != 0) {
        atomic_store(&dump.asked, 0);
        return false;
    }
    if (wait_for_answer(wait_ms)) {
        return true;
    }
    if (atomic_compare_exchange_strong(&dump.asked, &tid, 0)) {
        return false;
    }
    /* It has begun to answer: the frames are its own until it is done. */
    return wait_for_answer(INT32_MAX);
}

/* ---- text --------------------------------------------------------------------------------------- */

static const char *state_text(char state)
{
    switch (state) {
    case 'R':
        return "RUNNABLE";
    case 'S':
        return "WAITING";
    case 'D':
        return "BLOCKED in the kernel";
    case 'T':
    case 't':
        return "STOPPED";
    default:
        return "UNKNOWN";
    }
}

struct thread_stat {
    char name[32];
    char state;
};

/* "tid (name) S ..." */
static bool read_stat(int tid, struct thread_stat *ret)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    char *open_paren = strchr(text, '('), *close_paren = strrchr(text, ')');
    if (open_paren == NULL || close_paren == NULL || close_paren[1] == '\0') {
        return false;
    }
    *close_paren = '\0';
    snprintf(ret->name, sizeof(ret->name), "%s", open_paren + 1);
    ret->state = close_paren[2];
    return true;
}

static void append_frames(struct str *text)
{
    char **symbols = backtrace_symbols(dump.frames, dump.n_frames);
    for (int i = OWN_FRAMES; i < dump.n_frames; i++) {
        if (symbols != NULL) {
            str_printf(text, "\tat %s\n", symbols[i]);
        } else {
            str_printf(text, "\tat %p\n", dump.frames[i]);
        }
    }
    free(symbols);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static int list_threads(int *ret_tids, struct error *err)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL) {
        return error_set_errno(err, errno, "opening /proc/self/task");
    }
    for (const struct dirent *e; n < STACK_DUMP_THREADS_MAX && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.') {
            ret_tids[n++] = atoi(e->d_name);
        }
    }
    closedir(dir);
    qsort(ret_tids, (size_t)n, sizeof(int), compare_ints);
    return n;
}

int stack_dump_all(void (*fn)(void *arg, const struct stack_dump_thread *thread), void *arg,
                   struct error *err)
{
    int *tids = MEM_NEW_ARRAY(int, STACK_DUMP_THREADS_MAX);
    int n = list_threads(tids, err);
    int64_t left_ms = STACK_DUMP_WAIT_MS;
    pthread_mutex_lock(&dump.lock);
    for (int i = 0; i < n; i++) {
        STR_AUTO text = STR_INIT;
        struct thread_stat stat;
        if (!read_stat(tids[i], &stat)) {
            continue; /* it has ended */
        }
        int64_t wait_ms = MIN((int64_t)STACK_DUMP_THREAD_WAIT_MS, left_ms);
        bool answered = wait_ms > 0 && ask_thread(tids[i], wait_ms);
        const char *name = answered && dump.name[0] != '\0' ? dump.name : stat.name;
        str_printf(&text, "\"%s\" Id=%d %s\n", name, tids[i], state_text(stat.state));
        if (answered) {
            append_frames(&text);
        } else {
            left_ms -= wait_ms;
            str_append_cstr(&text, "\t(no answer: it takes no signals now)\n");
        }
        const struct stack_dump_thread thread = {tids[i], name, str_cstr(&text)};
        fn(arg, &thread);
    }
    pthread_mutex_unlock(&dump.lock);
    mem_free(tids);
    return n < 0 ? n : 0;
}
