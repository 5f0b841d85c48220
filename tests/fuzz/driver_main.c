/* A small main for fuzz targets that needs no libFuzzer: runs the inputs given, then seeded random and
 * mutated ones for some seconds.  It has no coverage feedback; scripts/fuzz.sh builds the same targets
 * with clang's libFuzzer for that.  This one is what makes every test run try every decoder.
 *
 *     fuzz_name [-seconds=N] [-runs=N] [-seed=N] [FILE|FOLDER]...
 *
 * A run is repeatable by its seed.  When the target dies or one input takes longer than INPUT_SECONDS,
 * the input is written to crash-<target>-<seed>-<run> in the working folder, to be given as FILE.
 *
 * Thread: one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Provided by the sanitizers' run-time, absent without it. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

enum {
    INPUT_MAX = 64 * 1024, /* mutated inputs stay below; corpus files are cut to it */
    CORPUS_MAX = 4096,     /* inputs kept to mutate */
    MUTATIONS_MAX = 8,     /* per input */
    INPUT_SECONDS = 20,    /* one input may take that long */
    CLOCK_EVERY = 64,      /* runs between two looks at the clock */
};

struct input {
    uint8_t *data; /* Owns. */
    size_t size;
};

struct driver {
    const char *name;
    uint64_t seed, random, run;
    int64_t seconds, runs; /* -1: not given */
    struct input corpus[CORPUS_MAX];
    size_t corpus_len;
    /* The input under way, for the report.  malloc'd at its exact size on each run, so that a read
     * behind its end is seen by the address sanitizer. */
    uint8_t *current;
    size_t current_size;
};

static struct driver driver;

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t z = (driver.random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below `bound` (bound > 0), small ones more often than large ones. */
static size_t random_small(size_t bound)
{
    size_t limit = 1 + (size_t)(random_next() % bound);
    return (size_t)(random_next() % limit);
}

/* Writes the input under way to a file.  Only async-signal-safe calls after the name is made. */
static void report_input(void)
{
    char path[256];
    snprintf(path, sizeof(path), "crash-%s-%" PRIu64 "-%" PRIu64, driver.name, driver.seed,
             driver.run);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return;
    }
    size_t done = 0;
    while (done < driver.current_size) {
        ssize_t n = write(fd, driver.current + done, driver.current_size - done);
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    close(fd);
    dprintf(STDERR_FILENO,
            "%s: died in run %" PRIu64 " of -seed=%" PRIu64 ", input of %zu bytes: %s\n",
            driver.name, driver.run, driver.seed, driver.current_size, path);
}

static void on_signal(int sig)
{
    if (sig == SIGALRM) {
        dprintf(STDERR_FILENO, "%s: one input took more than %d s\n", driver.name, INPUT_SECONDS);
    }
    report_input();
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void run_input(const uint8_t *data, size_t size)
{
    driver.current = malloc(size > 0 ? size : 1);
    if (driver.current == NULL) {
        fprintf(stderr, "%s: out of memory\n", driver.name);
        exit(1);
    }
    if (size > 0) {
        memcpy(driver.current, data, size);
    }
    driver.current_size = size;
    driver.run++;
    LLVMFuzzerTestOneInput(driver.current, size);
    free(driver.current);
    driver.current = NULL;
    driver.current_size = 0;
}

static int corpus_add_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "%s: cannot read %s: %s\n", driver.name, path, strerror(errno));
        return -1;
    }
    uint8_t *data = malloc(INPUT_MAX);
    size_t size = 0;
    while (data != NULL && size < INPUT_MAX) {
        ssize_t n = read(fd, data + size, INPUT_MAX - size);
        if (n <= 0) {
            break;
        }
        size += (size_t)n;
    }
    close(fd);
    if (data == NULL || driver.corpus_len == CORPUS_MAX) {
        fprintf(stderr, "%s: too many inputs (limit %d)\n", driver.name, CORPUS_MAX);
        free(data);
        return -1;
    }
    driver.corpus[driver.corpus_len++] = (struct input){.data = data, .size = size};
    return 0;
}

static int name_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A file, or all files of a folder in the order of their names (so that a seed means the same). */
static int corpus_add(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return corpus_add_file(path);
    }
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, name_compare);
    int rc = n < 0 ? -1 : 0;
    for (int i = 0; i < n; i++) {
        char child[4096];
        snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && rc == 0) {
            rc = corpus_add_file(child);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* Changes one place of the input; returns the new size (<= INPUT_MAX). */
static size_t mutate(uint8_t *data, size_t size)
{
    static const uint64_t edges[] = {0,          1,          0x7f,       0x80,
                                     0xff,       0x7fff,     0xffff,     0x7fffffff,
                                     0x80000000, 0xffffffff, INT64_MAX,  (uint64_t)INT64_MIN,
                                     UINT64_MAX, 64,         0x01000000, 4096};
    size_t at = size > 0 ? (size_t)(random_next() % size) : 0;
    size_t left = size - at;
    size_t n;
    switch (size > 0 ? random_next() % 8 : 5) {
    case 0: /* flip a bit */
        data[at] ^= (uint8_t)(1u << (random_next() % 8));
        return size;
    case 1: /* another byte */
        data[at] = (uint8_t)random_next();
        return size;
    case 2: { /* a number at an edge, 1 to 8 bytes wide */
        uint64_t edge = edges[random_next() % (sizeof(edges) / sizeof(edges[0]))];
        size_t width = (size_t)1 << (random_next() % 4);
        memcpy(data + at, &edge, width < left ? width : left);
        return size;
    }
    case 3: /* cut off the end */
        return at;
    case 4: /* take out a piece */
        n = 1 + random_small(left);
        memmove(data + at, data + at + n, left - n);
        return size - n;
    case 5: /* put in random bytes */
        n = 1 + random_small(64);
        n = n < INPUT_MAX - size ? n : INPUT_MAX - size;
        memmove(data + at + n, data + at, left);
        for (size_t i = 0; i < n; i++) {
            data[at + i] = (uint8_t)random_next();
        }
        return size + n;
    case 6: { /* copy a piece over another place */
        size_t to = (size_t)(random_next() % size);
        n = 1 + random_small(left < size - to ? left : size - to);
        memmove(data + to, data + at, n);
        return size;
    }
    default: { /* the tail of another input */
        if (driver.corpus_len == 0) {
            return size;
        }
        const struct input *other = &driver.corpus[random_next() % driver.corpus_len];
        size_t from = other->size > 0 ? (size_t)(random_next() % other->size) : 0;
        n = other->size - from;
        n = n < INPUT_MAX - at ? n : INPUT_MAX - at;
        memcpy(data + at, other->data + from, n);
        return at + n;
    }
    }
}

static int64_t now_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec;
}

static void run_random(void)
{
    uint8_t *data = malloc(INPUT_MAX);
    if (data == NULL) {
        fprintf(stderr, "%s: out of memory\n", driver.name);
        exit(1);
    }
    int64_t end = now_seconds() + driver.seconds;
    for (int64_t i = 0; driver.runs < 0 || i < driver.runs; i++) {
        if (i % CLOCK_EVERY == 0) {
            if (driver.seconds >= 0 && now_seconds() >= end) {
                break;
            }
            alarm(INPUT_SECONDS);
        }
        size_t size = 0;
        if (driver.corpus_len > 0 && random_next() % 8 != 0) {
            const struct input *base = &driver.corpus[random_next() % driver.corpus_len];
            memcpy(data, base->data, base->size);
            size = base->size;
        }
        size_t mutations = 1 + (size_t)(random_next() % MUTATIONS_MAX);
        for (size_t m = 0; m < mutations; m++) {
            size = mutate(data, size);
        }
        run_input(data, size);
    }
    alarm(0);
    free(data);
}

static bool flag_value(const char *arg, const char *flag, int64_t *ret_value)
{
    size_t len = strlen(flag);
    if (strncmp(arg, flag, len) != 0) {
        return false;
    }
    char *end;
    errno = 0;
    *ret_value = strtoll(arg + len, &end, 10);
    if (errno != 0 || end == arg + len || *end != '\0' || *ret_value < 0) {
        fprintf(stderr, "%s: not a number: %s\n", driver.name, arg);
        exit(2);
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    driver.name = slash != NULL ? slash + 1 : argv[0];
    driver.seconds = driver.runs = -1;
    int64_t seed = 1;
    for (int i = 1; i < argc; i++) {
        if (flag_value(argv[i], "-seconds=", &driver.seconds) ||
            flag_value(argv[i], "-runs=", &driver.runs) || flag_value(argv[i], "-seed=", &seed)) {
            continue;
        }
        if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [-seconds=N] [-runs=N] [-seed=N] [FILE|FOLDER]...\n",
                    driver.name);
            return 2;
        }
        if (corpus_add(argv[i]) != 0) {
            return 2;
        }
    }
    driver.seed = driver.random = (uint64_t)seed;

    const int deadly[] = {SIGABRT, SIGALRM, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        signal(deadly[i], on_signal);
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(report_input);
    } else {
        signal(SIGSEGV, on_signal);
        signal(SIGBUS, on_signal);
        signal(SIGFPE, on_signal);
    }

    alarm(INPUT_SECONDS);
    run_input(NULL, 0);
    for (size_t i = 0; i < driver.corpus_len; i++) {
        alarm(INPUT_SECONDS);
        run_input(driver.corpus[i].data, driver.corpus[i].size);
    }
    alarm(0);
    if (driver.seconds >= 0 || driver.runs >= 0) {
        run_random();
    }
    printf("%s: %" PRIu64 " runs, seed %" PRIu64 "\n", driver.name, driver.run, driver.seed);
    for (size_t i = 0; i < driver.corpus_len; i++) {
        free(driver.corpus[i].data);
    }
    return 0;
}
