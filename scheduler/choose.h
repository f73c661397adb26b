/* Where claimed sessions run, by what is known of workers and repositories (place.h). */
#pragma once

#include <stdint.h>

#include "base/str.h"

struct app;
struct handover;

/* Gives some to other workers, and takes out those that wait for one. What cannot be asked stays
 * where the queue put it. */
void choose_places(struct handover *batch);

/* A worker without that repository took so long to have it. */
void choose_learn(struct app *app, struct str repo, uint64_t ms);
