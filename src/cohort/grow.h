/* Arrays that grow. */
#ifndef REPRISE_COHORT_GROW_H
#define REPRISE_COHORT_GROW_H

#include "reprise/base.h"

/* Room for one more item behind count, in steps of powers of two; items may move. */
rp_status grow(void *items_address, size_t count, size_t size, rp_error *err);

#endif
