/**
 * @file base_stage.h
 * Outputs that one run at a time writes (locks), and sets of files that appear together or not at
 * all (stages).
 */
#ifndef REPRISE_BASE_STAGE_H
#define REPRISE_BASE_STAGE_H

#include "reprise/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- locks ------------------------------------------------------------------------------- */

/**
 * A folder or a file to be written, held against other runs of this program until it is let go or
 * the process ends, however it ends. Of a folder the folder itself is locked (flock), so that
 * nothing is left in it; of a file, or where the file system locks no folders (NFS), a hidden empty
 * file beside or in it, which is removed when the lock is let go.
 */
typedef struct rp_lock rp_lock;
/** path: a folder that exists, or a file whose folder exists. RP_ERR_IO: another run holds it, or
 *  nothing can be written there. A file system without locks gives a lock that holds nobody off. */
rp_status rp_lock_take(const char *path, rp_lock **lock, rp_error *err);
/** False where the file system has no locks. */
bool rp_lock_holds(const rp_lock *lock);
void rp_lock_drop(rp_lock *lock);

/* ---- stages ------------------------------------------------------------------------------ */

/**
 * Files that appear in a folder together or not at all: written below `temporary`, a hidden folder
 * in it, then moved. What is to be moved is written down first (a journal in the stage), and what
 * it replaces is moved aside into the stage, the last file of the set first. So a process that is
 * killed among the moves leaves a folder without the set's last file, and the next stage there puts
 * back what was. A living process holds a lock on its stage; only stages whose process is dead are
 * ever cleaned up.
 */
typedef struct rp_stage {
    char *folder, *temporary;
    int lock;
    bool begun;
} rp_stage;

/** Creates the folder if need be, and calls rp_stage_recover on it. */
rp_status rp_stage_begin(const char *folder, rp_stage *stage, rp_error *err);
/** Moves every entry of the temporary folder, subfolders as a whole. RP_ERR_IO where one of the
 * names exists already. On any failure the folder is as it was. */
rp_status rp_stage_commit(rp_stage *stage, rp_error *err);
/**
 * Moves every file of the temporary folder (those in subfolders into such subfolders) over those of
 * the same name, `last` (which the stage must hold) after all others. names: further files of the
 * set, relative to the folder, which go where the stage holds no successor. On any failure the
 * folder is as it was.
 */
rp_status rp_stage_replace(rp_stage *stage, const char *last, const char *const *names,
                           size_t count, rp_error *err);
/** For every end: removes what was not committed. */
void rp_stage_release(rp_stage *stage);
/** What dead processes left in the folder itself (not below it): moves that were begun are undone,
 *  unless the last was done, and their stages are removed. Nothing else is touched. */
void rp_stage_recover(const char *folder);

/** rm -r; what cannot be removed is left. */
void rp_tree_remove(const char *path);

#ifdef __cplusplus
}
#endif
#endif
