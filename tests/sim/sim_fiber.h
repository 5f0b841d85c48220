/* Threads of the product as fibers of one thread, on the clock of the simulation: nothing of the product knows.
 *
 * The linker gives what starts threads, waits, and asks for time or chance to this file (WRAPPED in meson.build): a thread is a
 * stack that runs until it waits, and who runs next comes from the seed.  Threads belong to processes, which freeze, thaw and die
 * as a whole.
 *
 * A process that is killed is a ghost: nothing that it does has an effect, and its time flies, so that its threads come to their
 * ends and give back what they have.  Thread: one. */
#ifndef FLINC_TESTS_SIM_SIM_FIBER_H
#define FLINC_TESTS_SIM_SIM_FIBER_H

#include "common/base/clock.h"
#include "common/base/vec.h"

struct sim_process {
    char name[16];
    int64_t skew_ns;         /* its clock is ahead by so much */
    int64_t frozen_until_ms; /* of the simulation's monotonic time */
    bool dead;               /* a ghost */
};

struct sim_fibers {
    const struct clock_manual *clock; /* Borrows */
    struct rng rng;                   /* who runs next, delays, what the product takes for chance */
    struct vec fibers;                /* Owns: of struct sim_fiber * */
    struct sim_process *process;      /* whose code runs; NULL: the simulation's */
    struct sim_fiber *current;        /* NULL: the simulation's own stack */
    uint64_t n_switches;
    uint32_t n_mutex_waiters;
};

/* The one that the wrapped functions work with; NULL: they do what they do without a simulation. */
extern struct sim_fibers *sim_fibers;

void sim_fibers_init(struct sim_fibers *f, const struct clock_manual *clock, uint64_t seed);
void sim_fibers_fini(struct sim_fibers *f); /* none is left */

/* Runs all who can, until nobody can; returns how often one ran.  From the simulation's own stack. */
size_t sim_fibers_run(struct sim_fibers *f);
/* Who there is, to standard output: for people who look why nothing goes on. */
void sim_fibers_print(const struct sim_fibers *f);
/* When the next one wakes by itself (the simulation's time, ms); INT64_MAX: nobody does. */
int64_t sim_fibers_next_ms(const struct sim_fibers *f);
/* A thread of the process that calls fn. */
void sim_fiber_start(struct sim_process *p, const char *name, void *(*fn)(void *arg), void *arg);
/* Runs a ghost's threads until it has none.  False: they do not end. */
bool sim_fibers_bury(struct sim_fibers *f, struct sim_process *p);
bool sim_process_is_frozen(const struct sim_fibers *f, const struct sim_process *p);
/* What follows is done by this process, on the simulation's own stack; returns who it was before. */
struct sim_process *sim_enter(struct sim_process *p);

/* ---- in a fiber; on the simulation's own stack they return at once -------------------------------- */

/* Others run, and so much time passes. */
void sim_pause_ms(int64_t ms);
bool sim_is_ghost(void); /* the process whose code runs is */

#endif
