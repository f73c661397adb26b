/*
 * Redis keys of the queue and of the registry of workers. A shard's keys are made by its scripts
 * from the tag {q<k>/<shards>}, the registry's from {w}, so that each script stays in one slot of a
 * cluster. Where the number of shards is another one the keys are others: none of them is taken for
 * a key of now (queue_layout.h). When the form of what is in the keys changes the tag has to.
 */
#pragma once

#include "queue/queue.h"

void queue_key_tag(const struct queue *queue, char out[QUEUE_KEY_SIZE]); /* {q0/1} */
void queue_key_items(const struct queue *queue, char out[QUEUE_KEY_SIZE]);
void queue_key_set(const struct queue *queue, enum queue_set set, char out[QUEUE_KEY_SIZE]);
void queue_key_bell(const struct queue *queue, char out[QUEUE_KEY_SIZE]);
void lease_key_tag(char out[QUEUE_KEY_SIZE]);                     /* {w} */
void lease_key_bell(char out[QUEUE_KEY_SIZE]);                    /* {w}:bell */
void mail_key_box(const char *worker, char out[QUEUE_KEY_SIZE]);  /* {w:<worker>}:mail */
void mail_key_answer(const char *name, char out[QUEUE_KEY_SIZE]); /* {w}:answer:<name> */
void mail_key_bell(const char *worker, char out[QUEUE_KEY_SIZE]);
void mail_key_aloud(const char *worker, char out[QUEUE_KEY_SIZE]); /* {w:<worker>}:aloud */
void mail_key_last(const char *worker, char out[QUEUE_KEY_SIZE]);

/* Names of workers and incarnations: 1 to QUEUE_WORKER_MAX of A-Z a-z 0-9 . _ : - */
bool queue_name_ok(const char *name);
/* "" or words of A-Z a-z 0-9 . _ : / = + - joined by commas, at most QUEUE_NEEDS_MAX bytes. */
bool queue_words_ok(const char *words);
/* The same with a bound of its own. */
bool queue_words_fit(const char *words, size_t max);
