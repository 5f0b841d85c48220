/* Signal handlers that explain a crash (crash_report.h).
 *
 * The handlers format by hand into a buffer on the signal stack and write(2) it; backtrace() is safe in
 * them because install() called it once before (the first call loads a library).  When several threads
 * crash at once, the first one reports and the others wait for the end of the process. */
#include "taskmanager/worker/crash_report.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SIGNAL_STACK_BYTES = 128 * 1024,
    FRAMES_MAX = 64,
    REPORT_MAX = 4096,
    DUMP_WAIT_MS = 1000,
};

static const struct {
    int number;
    const char *name;
    const char *meaning;
} crashes[] = {
    {SIGSEGV, "SIGSEGV", "invalid memory access"},
    {SIGBUS, "SIGBUS", "memory that is not there"},
    {SIGFPE, "SIGFPE", "arithmetic error"},
    {SIGILL, "SIGILL", "illegal instruction"},
    {SIGABRT, "SIGABRT", "aborted"},
};

/* What asks a thread for its stack.  A real-time signal: nobody else's by default. */
static int dump_signal(void)
{
    return SIGRTMIN + 5;
}

static struct sigaction old_actions[ARRAY_LEN(crashes) + 1];
static _Atomic bool installed;
static _Atomic pid_t crashing; /* the thread that reports; 0: none */

static __thread struct crash_slot *thread_slot;
static __thread void *thread_stack;

/* ---- formatting without the library ------------------------------------------------------------- */

struct report {
    char text[REPORT_MAX];
    size_t len;
};

static void report_text(struct report *r, const char *text)
{
    for (; *text != '\0' && r->len < REPORT_MAX; text++) {
        r->text[r->len++] = *text;
    }
}

static void report_number(struct report *r, uint64_t value, uint32_t base)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n < sizeof(digits) && r->len < REPORT_MAX) {
        r->text[r->len++] = digits[n++];
    }
}

static void report_line(struct report *r, const char *label, const char *value)
{
    if (value != NULL) {
        report_text(r, label);
        report_text(r, value);
        report_text(r, "\n");
    }
}

static void report_write(const struct report *r)
{
    for (size_t done = 0; done < r->len;) {
        ssize_t n = write(STDERR_FILENO, r->text + done, r->len - done);
        if (n < 0 && errno != EINTR) {
            return;
        }
        done += n > 0 ? (size_t)n : 0;
    }
}

static void report_site(struct report *r)
{
    const struct crash_site *site = thread_slot != NULL ? crash_slot_get(thread_slot) : NULL;
    if (site == NULL) {
        report_text(r, "  outside of the tasks' threads and user code\n");
        return;
    }
    report_text(r, "  job:      ");
    report_text(r, site->job_name);
    report_text(r, " (");
    report_text(r, site->job_id);
    report_text(r, ")\n");
    report_line(r, "  task:     ", site->task_name);
    report_line(r, "  operator: ", site->operator_name);
    report_line(r, "  attempt:  ", site->attempt);
}

static void report_stack(void)
{
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
}

/* ---- handlers ----------------------------------------------------------------------------------- */

static void report_crash(int signo, const siginfo_t *info)
{
    struct report r = {.len = 0};
    report_text(&r, "\nFlinc crashed: ");
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++) {
        if (crashes[i].number == signo) {
            report_text(&r, crashes[i].name);
            report_text(&r, " (");
            report_text(&r, crashes[i].meaning);
            report_text(&r, ")");
        }
    }
    if (signo != SIGABRT && info->si_code > 0) {
        report_text(&r, " at address 0x");
        report_number(&r, (uint64_t)(uintptr_t)info->si_addr, 16);
    }
    report_text(&r, "\n");
    report_site(&r);
    report_text(&r, "  native stack:\n");
    report_write(&r);
    report_stack();
    if (thread_slot != NULL && crash_slot_get(thread_slot) != NULL) {
        r.len = 0;
        report_text(&r,
                    "  Functions of a bundle in this stack are the job's own code; built with -g,\n"
                    "  `addr2line -fe BUNDLE OFFSET` tells their lines.\n");
        report_write(&r);
    }
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    pid_t self = gettid(), nobody = 0;
    if (atomic_compare_exchange_strong(&crashing, &nobody, self)) {
        report_crash(signo, info);
    } else if (nobody != self) {
        for (;;) {
            pause(); /* the first one ends the process */
        }
    } /* else: crashed while reporting; no more words */
    /* The default action, once this handler returns: the signal is blocked until then. */
    signal(signo, SIG_DFL);
    raise(signo);
    errno = saved;
}

static struct {
    pthread_mutex_t lock; /* one dump at a time */
    const char *_Atomic title;
    _Atomic bool answered;
    struct event_count event;
} dump = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_dump(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    const char *title = atomic_exchange(&dump.title, NULL);
    if (title != NULL) {
        struct report r = {.len = 0};
        report_text(&r, title);
        report_text(&r, "\n");
        report_site(&r);
        report_write(&r);
        report_stack();
        atomic_store(&dump.answered, true);
        event_count_signal(&dump.event);
    }
    errno = saved;
}

/* ---- installing --------------------------------------------------------------------------------- */

int crash_report_install(struct error *err)
{
    if (atomic_exchange(&installed, true)) {
        return 0;
    }
    void *frame;
    backtrace(&frame, 1);
    for (size_t i = 0; i <= ARRAY_LEN(crashes); i++) {
        bool is_dump = i == ARRAY_LEN(crashes);
        struct sigaction action = {.sa_sigaction = is_dump ? on_dump : on_crash};
        /* No SA_RESTART: a blocking call of user code shall return when its task is cancelled. */
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        int number = is_dump ? dump_signal() : crashes[i].number;
        if (sigaction(number, &action, &old_actions[i]) != 0) {
            return error_set_errno(err, errno, "installing the handler of signal %d", number);
        }
    }
    return 0;
}

static _Atomic bool exit_expected;

static void on_exit_called(void)
{
    if (!atomic_load(&exit_expected)) {
        struct report r = {.len = 0};
        report_text(&r, "\nFlinc ends: exit() was called\n");
        report_site(&r);
        report_text(&r, "  native stack:\n");
        report_write(&r);
        report_stack();
    }
}

void crash_report_watch_exit(void)
{
    (void)atexit(on_exit_called);
}

void crash_report_expect_exit(void)
{
    atomic_store(&exit_expected, true);
}

void crash_report_uninstall(void)
{
    if (!atomic_exchange(&installed, false)) {
        return;
    }
    for (size_t i = 0; i <= ARRAY_LEN(crashes); i++) {
        int number = i == ARRAY_LEN(crashes) ? dump_signal() : crashes[i].number;
        sigaction(number, &old_actions[i], NULL);
    }
}

void crash_report_enter_thread(struct crash_slot *slot)
{
    thread_slot = slot;
    if (!atomic_load(&installed)) {
        return;
    }
    void *memory = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory != MAP_FAILED) {
        thread_stack = memory;
        const stack_t stack = {.ss_sp = memory, .ss_size = SIGNAL_STACK_BYTES};
        sigaltstack(&stack, NULL);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, dump_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void crash_report_leave_thread(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, dump_signal());
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    thread_slot = NULL;
    if (thread_stack != NULL) {
        const stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        munmap(thread_stack, SIGNAL_STACK_BYTES);
        thread_stack = NULL;
    }
}

bool crash_report_dump_thread(pthread_t thread, const char *title)
{
    if (!atomic_load(&installed)) {
        return false;
    }
    pthread_mutex_lock(&dump.lock);
    atomic_store(&dump.answered, false);
    atomic_store(&dump.title, title);
    bool answered = false;
    if (pthread_kill(thread, dump_signal()) == 0) {
        int64_t deadline_ns = clock_monotonic_ns(&clock_system) + (int64_t)DUMP_WAIT_MS * 1000000;
        for (;;) {
            uint32_t ticket = event_count_prepare(&dump.event);
            answered = atomic_load(&dump.answered);
            int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
            if (answered || left_ns <= 0) {
                event_count_cancel(&dump.event);
                break;
            }
            event_count_wait(&dump.event, ticket, left_ns);
        }
    }
    atomic_store(&dump.title, NULL);
    pthread_mutex_unlock(&dump.lock);
    return answered;
}
