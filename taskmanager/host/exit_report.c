/* Words for ends of workers; see exit_report.h.
 *
 * The stderr of a worker has its log lines and, behind them, the crash report (crash_report.c) between
 * "Flinc crashed: " or "Flinc ends: " and the end.  The tail was written by user code as well: whatever it
 * holds, it is cut to size and control characters are left out. */
#include "taskmanager/host/exit_report.h"
#include <signal.h>
#include <stdio.h>

enum {
    REPORT_STACK_LINES = 8,
    REPORT_LINE_MAX = 160,
    REPORT_LAST_LINES = 5,
};

static const struct {
    int number;
    const char *name, *meaning;
} signals[] = {
    {SIGSEGV, "SIGSEGV", "invalid memory access"},
    {SIGBUS, "SIGBUS", "memory that is not there"},
    {SIGFPE, "SIGFPE", "arithmetic error"},
    {SIGILL, "SIGILL", "illegal instruction"},
    {SIGABRT, "SIGABRT", "aborted"},
    {SIGKILL, "SIGKILL", "killed"},
    {SIGTERM, "SIGTERM", "asked to end"},
    {SIGINT, "SIGINT", "interrupted"},
    {SIGTRAP, "SIGTRAP", "trap"},
    {SIGSYS, "SIGSYS", "forbidden system call"},
    {SIGXCPU, "SIGXCPU", "CPU time limit"},
    {SIGXFSZ, "SIGXFSZ", "file size limit"},
};

/* Finds the last `needle`; NULL: none. */
static const char *find_last(struct slice s, const char *needle)
{
    const char *found = NULL;
    size_t len = strlen(needle);
    if (s.len == 0) {
        return NULL;
    }
    const char *at = s.data, *end = s.data + s.len;
    while (at != NULL && (size_t)(end - at) >= len) {
        at = memmem(at, (size_t)(end - at), needle, len);
        if (at != NULL) {
            found = at++;
        }
    }
    return found;
}

static void append_line(struct str *s, struct slice line)
{
    size_t n = MIN(line.len, (size_t)REPORT_LINE_MAX);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line.data[i];
        str_append_char(s, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    if (line.len > n) {
        str_append_cstr(s, "...");
    }
}

/* ---- the parts of the tail ----------------------------------------------------------------------- */

struct tail_parts {
    struct slice log;    /* before the report */
    struct slice report; /* from "Flinc ..." on; empty: none */
};

static struct tail_parts split_tail(struct slice tail)
{
    const char *crashed = find_last(tail, "\nFlinc crashed: ");
    const char *ends = find_last(tail, "\nFlinc ends: ");
    const char *at = crashed != NULL ? crashed : ends;
    if (at == NULL) {
        return (struct tail_parts){.log = tail};
    }
    size_t before = (size_t)(at - tail.data);
    return (struct tail_parts){slice_make(tail.data, before),
                               slice_make(at + 1, tail.len - before - 1)};
}

static bool is_report_head(struct slice text)
{
    static const char *const labels[] = {
        "Flinc ", "job:", "task:", "operator:", "attempt:", "outside of the tasks"};
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        if (slice_starts_with(text, labels[i])) {
            return true;
        }
    }
    return false;
}

/* The name of a file, by which people know it. */
static void append_file(struct str *s, struct slice file, const struct exit_facts *f)
{
    for (size_t i = 0; i < f->n_libraries; i++) {
        size_t hash_len = strlen(f->libraries[i].hash);
        if (slice_starts_with(file, f->libraries[i].hash) && file.len == hash_len + 3) {
            file = slice_cstr(f->libraries[i].name);
            break;
        }
    }
    append_line(s, file);
}

/* A frame of backtrace_symbols_fd(), "/dir/lib.so(name+0x12)[0x7f00]", without folder and address; false:
 * it is none. */
static bool append_frame(struct str *s, struct slice text, const struct exit_facts *f)
{
    const char *address = find_last(text, "[0x");
    if (address == NULL || text.data[text.len - 1] != ']') {
        return false;
    }
    text.len = (size_t)(address - text.data);
    const char *offset = find_last(text, "(");
    size_t path = offset != NULL ? (size_t)(offset - text.data) : text.len;
    const char *folder = find_last(slice_make(text.data, path), "/");
    if (folder != NULL) {
        size_t skip = (size_t)(folder + 1 - text.data);
        text = slice_make(folder + 1, text.len - skip);
        path -= skip;
    }
    str_append_cstr(s, "\n    ");
    append_file(s, slice_make(text.data, path), f);
    append_line(s, slice_make(text.data + path, text.len - path));
    return true;
}

/* The report in few lines: its head, then the first frames of the stack.  Lines that other threads logged
 * meanwhile are left out. */
static void append_report(struct str *s, struct slice report, const struct exit_facts *f)
{
    struct slice line;
    bool in_stack = false;
    for (int n_frames = 0; n_frames < REPORT_STACK_LINES && slice_next(&report, '\n', &line);) {
        struct slice text = slice_trim(line);
        if (in_stack) {
            n_frames += text.len > 0 && append_frame(s, text, f) ? 1 : 0;
        } else if (slice_starts_with(text, "native stack:")) {
            in_stack = true;
            str_append_cstr(s, "\n  native stack:");
        } else if (is_report_head(text)) {
            str_append_cstr(s, "\n  ");
            append_line(s, text);
        }
    }
}

/* Where a task hangs, when that was written before the end: the last stack that the watchdog asked for, which
 * is taken off the log. */
static void append_stuck_stack(struct str *s, struct slice *inout_log, const struct exit_facts *f)
{
    const char *at = find_last(*inout_log, "\nStack of task ");
    struct slice line;
    if (at == NULL) {
        return;
    }
    size_t before = (size_t)(at - inout_log->data);
    struct slice rest = slice_make(at + 1, inout_log->len - before - 1);
    *inout_log = slice_make(inout_log->data, before);
    if (slice_next(&rest, '\n', &line)) {
        str_append_cstr(s, "\n  ");
        append_line(s, slice_trim(line));
    }
    for (int n_frames = 0; n_frames < REPORT_STACK_LINES && slice_next(&rest, '\n', &line);) {
        struct slice text = slice_trim(line);
        n_frames += text.len > 0 && append_frame(s, text, f) ? 1 : 0;
    }
}

/* The last lines of the log as context, innermost first. */
static void add_last_lines(struct error *err, struct slice log)
{
    struct slice lines[REPORT_LAST_LINES];
    size_t n = 0;
    while (n < REPORT_LAST_LINES && log.len > 0) {
        size_t from = log.len;
        while (from > 0 && log.data[from - 1] != '\n') {
            from--;
        }
        struct slice line = slice_trim(slice_make(log.data + from, log.len - from));
        if (line.len > 0) {
            lines[n++] = line;
        }
        log.len = from > 0 ? from - 1 : 0;
    }
    while (n > 0) {
        struct str s = STR_INIT;
        append_line(&s, lines[--n]);
        error_context(err, "it had said: %s", str_cstr(&s));
        str_fini(&s);
    }
}

/* ---- the sentence -------------------------------------------------------------------------------- */

static void append_signal(struct str *s, int signo)
{
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i].number == signo) {
            str_printf(s, "signal %s (%s)", signals[i].name, signals[i].meaning);
            return;
        }
    }
    str_printf(s, "signal %d", signo);
}

static void append_end(struct str *s, const struct exit_facts *f)
{
    if (f->spawner_lost) {
        str_append_cstr(s, "ended with the spawner process of its task manager, which was killed");
    } else if (f->signal == SIGKILL) {
        str_append_cstr(
            s,
            "was killed (SIGKILL) by something outside of Flinc: usually the kernel, because the "
            "machine or the container is out of memory. Lower taskmanager.memory.process.size or "
            "taskmanager.numberOfTaskSlots, or give the machine or container more memory");
    } else if (f->signal != 0) {
        str_append_cstr(s, "ended by ");
        append_signal(s, f->signal);
        str_append_cstr(s, f->core_dumped ? ", core dumped" : "");
    } else {
        str_printf(
            s,
            "ended with exit status %d, though nobody asked it to: a function of the job, or a "
            "library that it calls, has called exit()",
            f->exit_code);
    }
}

void exit_report_make(const struct exit_facts *f, struct error *ret)
{
    struct str s = STR_INIT;
    struct tail_parts parts = split_tail(f->stderr_tail);
    error_clear(ret);
    if (f->ended != NULL) { /* the reason is known better than its effect */
        error_copy(ret, f->ended);
        return;
    }
    if (f->dying != NULL) {
        error_copy(ret, f->dying);
        str_append_cstr(&s, f->dying->message);
        append_stuck_stack(&s, &parts.log, f);
        snprintf(ret->message, sizeof(ret->message), "%s", str_cstr(&s));
        str_fini(&s);
        add_last_lines(ret, parts.log);
        return;
    }
    str_printf(&s, "The worker process of job '%s' (pid %d) ", f->job_name, (int)f->pid);
    append_end(&s, f);
    if (parts.report.len > 0) {
        append_report(&s, parts.report, f);
    }
    error_set(ret, f->signal != 0 && f->signal != SIGKILL ? ERR_USER_CODE : ERR_UNAVAILABLE, "%s",
              str_cstr(&s));
    add_last_lines(ret, parts.log);
    str_fini(&s);
}
