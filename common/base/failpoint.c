/* Failpoints: the registry of places, the rules set for names, and the actions.
 *
 * A place registers itself when it is reached for the first time; from then on `armed` says whether
 * a rule exists for its name.  Rules may come before their places.  The variable FLINC_FAILPOINTS is
 * read before the first registration or configuration.
 *
 * Thread: any; registry and rules under `lock`, which is never held during an action.  A place lives
 * as long as its code: objects with failpoints must not be unloaded. */
#include "common/base/failpoint.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum failpoint_action {
    FAILPOINT_OFF,
    FAILPOINT_ERROR,
    FAILPOINT_DELAY,
    FAILPOINT_KILL,
    FAILPOINT_STOP,
    FAILPOINT_ABORT,
};

static const struct {
    const char *name;
    enum failpoint_action action;
    bool has_argument;
} action_rows[] = {
    {"off", FAILPOINT_OFF, false},    {"error", FAILPOINT_ERROR, true},
    {"delay", FAILPOINT_DELAY, true}, {"kill", FAILPOINT_KILL, false},
    {"stop", FAILPOINT_STOP, false},  {"abort", FAILPOINT_ABORT, false},
};

enum {
    FAILPOINT_NAME_BYTES = 96,
    FAILPOINT_TEXT_BYTES = 160,
    FAILPOINT_FILE_BYTES = 4096,
};

struct failpoint_rule {
    char name[FAILPOINT_NAME_BYTES];
    char text[FAILPOINT_TEXT_BYTES]; /* of an error */
    enum failpoint_action action;
    uint64_t delay_ms;
    uint64_t nth;    /* fires at this hit only, from 1; 0: at every one */
    uint64_t one_in; /* fires at random once in so many hits; 0: always */
    uint64_t hits;
};

static int report_fd = -1; /* of FLINC_FAILPOINT_REPORT; set before the first registration */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t environment_once = PTHREAD_ONCE_INIT;
static struct failpoint *places;                           /* under lock */
static struct vec rules = VEC_INIT(struct failpoint_rule); /* under lock */
static struct rng choices = {{1, 2, 3, 4}};                /* under lock */

static int configure(const char *spec, struct error *err);

static void open_report(const char *folder)
{
    char path[PATH_MAX], program[32] = "process";
    FILE *f = fopen("/proc/self/comm", "re");
    if (f != NULL) {
        if (fgets(program, sizeof(program), f) != NULL) {
            program[strcspn(program, "\n")] = '\0';
        }
        (void)fclose(f);
    }
    (void)snprintf(path, sizeof(path), "%s/%s-%d.hits", folder, program, (int)getpid());
    report_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (report_fd < 0) {
        LOG_WARN("flinc.failpoint",
                 "No report of failpoints: %s cannot be made: %s; make the folder that "
                 "FLINC_FAILPOINT_REPORT names",
                 path, strerror(errno));
    }
}

/* One line by one write(2), so that lines of threads and of a process that dies are whole. */
static void report(const char *what, const char *name)
{
    char line[FAILPOINT_NAME_BYTES + 16];
    if (report_fd >= 0) {
        int len = snprintf(line, sizeof(line), "%s %s\n", what, name);
        ssize_t n = write(report_fd, line, (size_t)MIN(len, (int)sizeof(line) - 1));
        (void)n; /* a disk that is full keeps no reports */
    }
}

/* The first line of a file, so that who started the process may change what later ones do; NULL when there is no such
 * file. */
static const char *read_rules(const char *path, char ret_rules[FAILPOINT_FILE_BYTES])
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        LOG_ERROR("flinc.failpoint", "FLINC_FAILPOINTS is ignored: %s cannot be read: %s", path,
                  strerror(errno));
        return NULL;
    }
    if (fgets(ret_rules, FAILPOINT_FILE_BYTES, f) == NULL) {
        ret_rules[0] = '\0';
    }
    (void)fclose(f);
    ret_rules[strcspn(ret_rules, "\n")] = '\0';
    return ret_rules;
}

static void read_environment(void)
{
    const char *folder = getenv("FLINC_FAILPOINT_REPORT");
    if (folder != NULL && folder[0] != '\0') {
        open_report(folder);
    }
    const char *spec = getenv("FLINC_FAILPOINTS");
    struct error err = ERROR_INIT;
    char in_file[FAILPOINT_FILE_BYTES];
    if (spec !=
        NULL) { /* processes that are started one after the other must not all choose alike */
        rng_init_system(&choices);
    }
    if (spec != NULL && spec[0] == '@') {
        spec = read_rules(spec + 1, in_file);
    }
    if (spec != NULL && configure(spec, &err) < 0) {
        char text[ERROR_MESSAGE_MAX];
        LOG_ERROR("flinc.failpoint", "FLINC_FAILPOINTS is ignored: %s",
                  error_format(&err, text, sizeof(text)));
    }
}

/* ---- rules --------------------------------------------------------------------------------- */

/* Under lock, as the next three. */
static struct failpoint_rule *find_rule(const char *name)
{
    for (size_t i = 0; i < rules.len; i++) {
        struct failpoint_rule *rule = VEC_AT(&rules, struct failpoint_rule, i);
        if (strcmp(rule->name, name) == 0) {
            return rule;
        }
    }
    return NULL;
}

static void arm_places(const char *name, int armed)
{
    for (struct failpoint *fp = places; fp != NULL; fp = fp->next) {
        if (name == NULL || strcmp(fp->name, name) == 0) {
            atomic_store_explicit(&fp->armed, armed, memory_order_relaxed);
        }
    }
}

static void set_rule(const struct failpoint_rule *rule)
{
    struct failpoint_rule *old = find_rule(rule->name);
    if (rule->action == FAILPOINT_OFF) {
        if (old != NULL) {
            vec_remove(&rules, (size_t)(old - (struct failpoint_rule *)rules.data));
        }
        arm_places(rule->name, 0);
        return;
    }
    if (old == NULL) {
        old = VEC_PUSH(&rules, struct failpoint_rule);
    }
    *old = *rule;
    arm_places(rule->name, 1);
}

static bool parse_number(struct slice text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

static int parse_action(struct slice text, struct failpoint_rule *rule, struct error *err)
{
    struct slice argument = text, verb;
    slice_next(&argument, ':', &verb);
    verb = slice_trim(verb);
    argument = slice_trim(argument);
    for (size_t i = 0; i < ARRAY_LEN(action_rows); i++) {
        if (!slice_eq_cstr(verb, action_rows[i].name)) {
            continue;
        }
        if (argument.data != NULL && !action_rows[i].has_argument) {
            break;
        }
        rule->action = action_rows[i].action;
        if (rule->action == FAILPOINT_DELAY && !parse_number(argument, &rule->delay_ms)) {
            return error_set(err, ERR_PARSE, "failpoint %s: delay needs milliseconds: delay:MS",
                             rule->name);
        }
        if (argument.len >= sizeof(rule->text)) {
            return error_set(err, ERR_TOO_LARGE, "failpoint %s: the error text is too long",
                             rule->name);
        }
        if (argument.len > 0) {
            memcpy(rule->text, argument.data, argument.len);
        }
        return 0;
    }
    return error_set(err, ERR_PARSE,
                     "failpoint %s: unknown action '%.*s' (off, error[:text], delay:MS, kill, "
                     "stop, abort)",
                     rule->name, (int)MIN(text.len, (size_t)64), text.data);
}

static int parse_option(struct slice text, struct failpoint_rule *rule, struct error *err)
{
    struct slice value = text, key;
    slice_next(&value, '=', &key);
    uint64_t *target = slice_eq_cstr(key, "nth")      ? &rule->nth
                       : slice_eq_cstr(key, "one_in") ? &rule->one_in
                                                      : NULL;
    if (target == NULL || !parse_number(value, target) || *target == 0) {
        return error_set(err, ERR_PARSE, "failpoint %s: '%.*s' is not nth=N or one_in=K (from 1)",
                         rule->name, (int)MIN(text.len, (size_t)64), text.data);
    }
    return 0;
}

static int parse_rule(struct slice text, struct failpoint_rule *rule, struct error *err)
{
    *rule = (struct failpoint_rule){.action = FAILPOINT_OFF};
    struct slice rest = text, name, piece;
    slice_next(&rest, '=', &name);
    name = slice_trim(name);
    if (rest.data == NULL || name.len == 0 || name.len >= sizeof(rule->name)) {
        return error_set(err, ERR_PARSE, "failpoint '%.*s' is not name=action[,nth=N][,one_in=K]",
                         (int)MIN(text.len, (size_t)128), text.data);
    }
    memcpy(rule->name, name.data, name.len);
    slice_next(&rest, ',', &piece);
    TRY(parse_action(slice_trim(piece), rule, err));
    while (slice_next(&rest, ',', &piece)) {
        TRY(parse_option(slice_trim(piece), rule, err));
    }
    return 0;
}

/* All or nothing: a mistake in the last rule leaves the first unset. */
static int configure(const char *spec, struct error *err)
{
    CLEANUP(vec_fini) struct vec parsed = VEC_INIT(struct failpoint_rule);
    struct slice rest = slice_cstr(spec), piece;
    while (slice_next(&rest, ';', &piece)) {
        piece = slice_trim(piece);
        if (piece.len > 0) {
            struct failpoint_rule rule;
            TRY(parse_rule(piece, &rule, err));
            *VEC_PUSH(&parsed, struct failpoint_rule) = rule;
        }
    }
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < parsed.len; i++) {
        set_rule(VEC_AT(&parsed, struct failpoint_rule, i));
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int failpoint_configure(const char *spec, struct error *err)
{
    pthread_once(&environment_once, read_environment);
    return configure(spec, err);
}

void failpoint_clear_all(void)
{
    pthread_once(&environment_once, read_environment);
    pthread_mutex_lock(&lock);
    vec_fini(&rules);
    arm_places(NULL, 0);
    pthread_mutex_unlock(&lock);
}

uint64_t failpoint_hits(const char *name)
{
    pthread_mutex_lock(&lock);
    const struct failpoint_rule *rule = find_rule(name);
    uint64_t hits = rule != NULL ? rule->hits : 0;
    pthread_mutex_unlock(&lock);
    return hits;
}

void failpoint_seed(uint64_t seed)
{
    pthread_mutex_lock(&lock);
    rng_init(&choices, seed);
    pthread_mutex_unlock(&lock);
}

/* ---- hits ---------------------------------------------------------------------------------- */

/* Under lock.  True: it is new; two threads may come here with the same new place. */
static bool register_place(struct failpoint *fp)
{
    bool is_new = atomic_load_explicit(&fp->armed, memory_order_relaxed) < 0;
    if (is_new) {
        fp->next = places;
        places = fp;
        int armed = find_rule(fp->name) != NULL;
        atomic_store_explicit(&fp->armed, armed, memory_order_relaxed);
    }
    return is_new;
}

/* Under lock: counts the hit and says whether the rule fires. */
static bool rule_fires(struct failpoint_rule *rule)
{
    rule->hits++;
    if (rule->nth != 0 && rule->hits != rule->nth) {
        return false;
    }
    return rule->one_in == 0 || rng_below(&choices, rule->one_in) == 0;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) {
    }
}

static int act(const struct failpoint_rule *rule, struct error *err)
{
    switch (rule->action) {
    case FAILPOINT_OFF:
        break;
    case FAILPOINT_ERROR:
        return error_set(err, ERR_IO, "failpoint %s%s%s", rule->name,
                         rule->text[0] != '\0' ? ": " : "", rule->text);
    case FAILPOINT_DELAY:
        sleep_ms(rule->delay_ms);
        break;
    case FAILPOINT_KILL:
        kill(getpid(), SIGKILL);
        break;
    case FAILPOINT_STOP:
        kill(getpid(), SIGSTOP);
        break;
    case FAILPOINT_ABORT:
        abort();
    }
    return 0;
}

int failpoint_hit(struct failpoint *fp, struct error *err)
{
    pthread_once(&environment_once, read_environment);
    struct failpoint_rule fired = {.action = FAILPOINT_OFF};
    pthread_mutex_lock(&lock);
    bool is_new = register_place(fp);
    struct failpoint_rule *rule = find_rule(fp->name);
    if (rule != NULL) {
        atomic_fetch_add_explicit(&fp->hits, 1, memory_order_relaxed);
        if (rule_fires(rule)) {
            fired = *rule;
        }
    }
    pthread_mutex_unlock(&lock);
    if (is_new) {
        report("reached", fp->name);
    }
    if (fired.action != FAILPOINT_OFF) {
        report("fired", fp->name);
    }
    return act(&fired, err);
}

void failpoint_leak(void)
{
    enum { LEAK_BYTES = 64 * 1024 };
    static _Atomic uintptr_t last; /* so that the compiler does not leave it out */
    void *memory = mem_alloc(LEAK_BYTES);
    memset(memory, 1, LEAK_BYTES);
    atomic_store_explicit(&last, (uintptr_t)memory, memory_order_relaxed);
}
