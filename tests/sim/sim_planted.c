/* Proofs that the simulation finds bugs: one after the other is planted by a failpoint, and seeds run until one of
 * them fails.  A child process for each: a failure ends the process, and a failpoint stays where it is.
 * See sim.h. */
#include "tests/sim/sim.h"

#include "common/base/failpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *what;
    const char *failpoint;
    uint64_t from; /* a rare one: the seed to begin with; 0: the first */
    bool ha;       /* of a cluster with high availability */
} bugs[] = {
    {"the resource manager takes messages for an earlier leadership",
     "planted.resourcemanager.any_leader"},
    {"task managers take messages of an earlier leader", "planted.taskmanager.any_leader"},
    {"task managers keep their workers under a new leader", "planted.taskmanager.keeps_workers"},
    {"the time-out of an offer ends a slot that was accepted", "planted.taskmanager.slot_timeout"},
    {"an offer that comes twice fills two places of a job", "planted.offer_twice"},
    {"a slot is in use as soon as it is offered", "planted.taskmanager.offered_is_active"},
    {"allocation ids of a slot come again", "planted.resourcemanager.allocation_comes_again", 1040},
    {"tasks are deployed before the offer of their slot is answered",
     "planted.resourcemanager.deploys_before_it_answers"},
    {"what a slot of another size took is not given back",
     "planted.resourcemanager.keeps_what_was_taken"},
    {"job masters do not ask their workers for tasks", "jobmaster.reconcile.before_send"},
    {"job masters do not look at what their workers report", "jobmaster.report.before_apply"},
    {"the resource manager does not look at reports of slots",
     "resourcemanager.report.before_apply"},
    {"a restart restores an older checkpoint than the newest", "planted.checkpoint.restores_older"},
    {"a restart does not wait for a checkpoint that is being written",
     "planted.checkpoint.restart_does_not_wait"},
    {"a checkpoint is complete before its metadata is durable",
     "planted.checkpoint.complete_without_metadata"},
    {"acknowledgements of earlier attempts are taken", "planted.checkpoint.older_attempt"},
    {"a rescale restores an older checkpoint than the newest", "planted.adaptive.restores_older"},
    {"a rescale does not deal the state out anew", "planted.adaptive.keeps_assignment", 0},
    {"a task of a smaller number gets the state of one earlier task alone",
     "planted.snapshot.deals_one_handle"},
    {"state that has key groups of others, too, is given to nobody",
     "planted.snapshot.narrows_too_far"},
    {"what was in flight goes to the task of the same number",
     "planted.snapshot.channels_by_number"},
    {"what was in flight to keys goes to the task of the same number",
     "planted.snapshot.hash_channels_by_number"},
    {"what was in flight goes to two tasks", "planted.snapshot.channels_to_two"},
    {"a shared file goes with its first checkpoint though a later one uses it",
     "planted.checkpoint.shared_file_in_use"},
    {"shared files are never deleted", "planted.checkpoint.shared_file_stays"},
    {"deleted files count as known", "planted.checkpoint.deleted_file_known"},
    {"a checkpoint may refer to files that are gone", "planted.checkpoint.refers_to_deleted"},
    {"a checkpoint may refer to files of a snapshot that the job only borrowed",
     "planted.checkpoint.refers_to_foreign", 320},
    {"files of a snapshot that the job only borrowed are deleted",
     "planted.checkpoint.deletes_foreign"},
    {"the oldest checkpoint that is kept loses its files",
     "planted.checkpoint.oldest_kept_loses_files"},
    {"files of the snapshot that the job started from are unknown",
     "planted.checkpoint.restored_files_unknown"},
    {"a file with sections counts as made by the newest of them",
     "planted.checkpoint.sections_are_new"},
    {"files of a checkpoint that was given up stay beside those of retained ones",
     "planted.checkpoint.given_up_files_stay"},
    {"a leader writes without looking at its latch", "planted.ha.zookeeper.writes_without_latch", 0,
     true},
    {"any latch leads, not only the lowest", "planted.ha.zookeeper.any_latch_leads", 0, true},
    {"files of a checkpoint go, and its pointer stays", "planted.checkpoint.pointers_stay", 0,
     true},
    {"a new leader recovers from an older checkpoint than the newest",
     "planted.checkpoint.recovers_older", 0, true},
    {"a new leader does not know which numbers were given", "planted.recovery.forgets_the_counter",
     0, true},
    {"numbers of two checkpoints are written down in any order", "planted.recovery.numbers_go_back",
     0, true},
    {"a new leader runs what has ended", "planted.recovery.runs_what_has_ended", 0, true},
    {"a checkpoint is written down after the end of its job",
     "planted.recovery.writes_after_the_end", 0, true},
    {"the end of a job is not written down before the rest of it goes",
     "planted.recovery.end_is_not_written", 0, true},
    {"the result of a job goes before the rest of it", "planted.recovery.result_goes_first", 0,
     true},
    {"a new leader does not know the bounds that were set", "planted.recovery.forgets_requirements",
     0, true},
    {"bounds hold before they are written down", "planted.dispatcher.applies_before_it_writes", 0,
     true},
    {"bounds are applied in another order than they are written down",
     "dispatcher.requirements.before_apply=delay:20,one_in=2;planted.dispatcher.requirements_in_"
     "any_order",
     0, true},
    {"the end of a job does not say at first that its checkpoints go",
     "checkpoint.end.before_delete=delay:50,one_in=2;planted.dispatcher.end_does_not_say_what_goes",
     0, true},
    {"what loses its leader is removed", "planted.dispatcher.removes_what_is_suspended", 0, true},
};

/* In the child; returns when no seed has failed. */
static void look_for(const char *failpoint, uint64_t first, uint64_t n, bool ha)
{
    char spec[128];
    struct error err = ERROR_INIT;
    struct sim_totals totals = {0};
    snprintf(spec, sizeof(spec), "%s=error", failpoint);
    ASSERT(failpoint_configure(spec, &err) == 0);
    for (uint64_t i = 0; i < n; i++) {
        (ha ? sim_run_ha : sim_run_single)(first + i, &totals);
    }
}

/* Whether a seed of the child failed a check; its first line is what it said. */
static bool is_found(const char *failpoint, uint64_t first, uint64_t n, bool ha, char *ret_said,
                     size_t size)
{
    int ends[2];
    int status = 0;
    ASSERT(pipe(ends) == 0);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        ASSERT(dup2(ends[1], STDOUT_FILENO) >= 0);
        close(ends[0]);
        close(ends[1]);
        look_for(failpoint, first, n, ha);
        _Exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], ret_said + len, size - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    ret_said[len] = '\0';
    ret_said[strcspn(ret_said, "\n")] = '\0';
    close(ends[0]);
    ASSERT(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1 && strncmp(ret_said, "FAILED", 6) == 0;
}

int sim_planted(uint64_t first, uint64_t n, const char *only)
{
    int missed = 0;
    for (size_t i = 0; i < ARRAY_LEN(bugs); i++) {
        char said[1024];
        if (only != NULL && strstr(bugs[i].failpoint, only) == NULL) {
            continue;
        }
        uint64_t from = bugs[i].from != 0 ? bugs[i].from : first;
        bool found = is_found(bugs[i].failpoint, from, n, bugs[i].ha, said, sizeof(said));
        printf("%s: %s\n    %s\n", found ? "found" : "NOT FOUND", bugs[i].what, said);
        fflush(stdout);
        missed += !found;
    }
    printf("%zu planted bugs, %d not found within %llu seeds\n", ARRAY_LEN(bugs), missed,
           (unsigned long long)n);
    return missed;
}
