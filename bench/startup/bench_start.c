/* Start-up: `flink run -t local` of an empty job, from its start to its exit, and the most memory that was
 * resident.  The limit is a process that does nothing (true), started in the same way.
 *
 *   bench_startup_start FLINK BUNDLE
 *
 * It is a small program of its own because a process inherits the memory mark of the one that starts it. */
#include "bench/report.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { RUNS = 30, WARM_UPS = 3 };

struct run {
    double wall_ms, cpu_ms, resident_mb;
};

static struct run run_once(char *const *command)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int64_t start_ns = clock_monotonic_ns(&clock_system);
    if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0 ||
        wait4(pid, &status, 0, &usage) != pid || status != 0) {
        fprintf(stderr, "%s failed\n", command[0]);
        exit(1);
    }
    int64_t wall_ns = clock_monotonic_ns(&clock_system) - start_ns;
    posix_spawn_file_actions_destroy(&actions);
    return (struct run){
        .wall_ms = (double)wall_ns * 1e-6,
        .cpu_ms = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-3,
        .resident_mb = (double)usage.ru_maxrss / 1024,
    };
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof(*values), compare);
    return (values[RUNS / 2 - 1] + values[RUNS / 2]) / 2;
}

/* The median of each measure. */
static struct run run_often(char *const *command)
{
    double wall[RUNS], cpu[RUNS], resident[RUNS];

    for (int i = -WARM_UPS; i < RUNS; i++) {
        struct run r = run_once(command);
        if (i >= 0) {
            wall[i] = r.wall_ms;
            cpu[i] = r.cpu_ms;
            resident[i] = r.resident_mb;
        }
    }
    return (struct run){median(wall), median(cpu), median(resident)};
}

int main(int argc, char **argv)
{
    static struct bench_report report;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_startup_start FLINK BUNDLE\n");
        return 2;
    }
    char *const flink[] = {argv[1], "run", "-t", "local", argv[2], NULL};
    char *const nothing[] = {"true", NULL};
    struct run ours = run_often(flink), limit = run_often(nothing);
    bench_report_add(&report, "start-up: an empty job, start to exit", ours.wall_ms, "ms", 50,
                     limit.wall_ms, BENCH_LESS_IS_BETTER);
    bench_report_add(&report, "start-up: CPU of all threads", ours.cpu_ms, "ms", 0, limit.cpu_ms,
                     BENCH_LESS_IS_BETTER);
    bench_report_add(&report, "start-up: resident memory at most", ours.resident_mb, "MB", 20,
                     limit.resident_mb, BENCH_LESS_IS_BETTER);
    bench_report_print(&report);
    return 0;
}
