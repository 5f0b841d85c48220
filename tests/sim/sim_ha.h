/* Clusters with high availability in the simulation; part of sim.h.
 *
 *   sim_ha.c       what must hold of leaders, and of what they write down
 *   sim_ha_main.c  what happens
 *   sim_jm.c       job managers
 *   sim_fs.c       the storage */
#ifndef FLINC_TESTS_SIM_SIM_HA_H
#define FLINC_TESTS_SIM_SIM_HA_H

#include "tests/sim/sim.h"

extern struct sim *sim_ha_current; /* NULL: the cluster has none */
extern const struct fs_driver sim_fs_driver;
struct sim_zk *sim_ha_ensemble(void);
/* By the seed, but not by the numbers that decide what happens to a cluster without high availability. */
bool sim_ha_chance(struct sim *s, uint32_t percent);
uint32_t sim_ha_below(struct sim *s, uint32_t n);

void sim_ha_init(struct sim *s);
void sim_ha_fini(struct sim *s);
void sim_ha_start_tm(struct sim_node *node);
void sim_ha_stop_tm(struct sim_node *node); /* it is killed */
/* The job manager that a task manager of this node would connect to; NULL: none. */
struct sim_jm *sim_ha_target(struct sim_node *node);
/* Whose is the latch; NULL: nobody leads. */
struct sim_jm *sim_ha_leader(struct sim *s);
struct sim_jm *sim_ha_at(struct sim *s); /* the process whose code runs; NULL: none of these */
uint64_t sim_ha_writer(struct sim *s);
bool sim_ha_is_cut_off(struct sim *s); /* from the storage */
/* Its connections break; gone: what was said on them is of an earlier leadership from now on. */
void sim_ha_cut_links(struct sim_jm *jm, bool gone);
/* Before checks: who is the job manager of s->d, s->rm and s->leader. */
void sim_ha_point(struct sim *s);

void sim_fill_conf(struct sim *s, struct conf *conf);
void sim_ha_note_newest(void *arg, const char *path);
void sim_ha_on_lead(struct sim_jm *jm);
void sim_ha_on_crash(struct sim_jm *jm);
void sim_ha_on_retire(struct sim_jm *jm); /* it is about to end to lead, or dies */
void sim_ha_on_submitted(struct sim_jm *jm, struct sim_job *job, int rc, const struct error *err);
void sim_ha_on_change(struct sim *s, const struct sim_zk_change *c);
struct sim_run *sim_ha_run(struct sim *s, const struct flinc_id *job_id,
                           const struct flinc_id *token);
/* As sim_unsettled() and sim_left_over(). */
const char *sim_ha_unsettled(struct sim *s);
const char *sim_ha_left_over(struct sim *s);
/* NULL: nothing is left in ZooKeeper and of large values, once the next leader has looked. */
const char *sim_ha_kept(struct sim *s);

#endif
