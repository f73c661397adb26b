/*
 * What the routes of the AOMI surface take: in the query, as its clients send it, or the same
 * members in a JSON body.  One struct is filled from one of the two, never from both.
 */
#pragma once

#include "http/http.h"
#include "rest/query.h"

struct rest_aomi_chat {
	bool has_message;
	struct str message, namespace, chatbot;
	struct str public_key; /* a claim that nothing follows from */
	struct str user_state; /* JSON text */
};
extern const struct rest_query_table rest_aomi_chat_table;
extern const struct json_table rest_aomi_chat_body;

struct rest_aomi_state {
	struct str user_state, after, public_key;
};
extern const struct rest_query_table rest_aomi_state_table;

struct rest_aomi_events {
	struct str count, after;
};
extern const struct rest_query_table rest_aomi_events_table;

struct rest_aomi_updates {
	struct str after, ticket;
};
extern const struct rest_query_table rest_aomi_updates_table;

struct rest_aomi_memory {
	struct str memory_mode;
};
extern const struct rest_query_table rest_aomi_memory_table;

struct rest_aomi_sessions {
	struct str public_key;
	uint64_t limit;
};
extern const struct rest_query_table rest_aomi_sessions_table;

struct rest_aomi_namespaces {
	struct str public_key;
};
extern const struct rest_query_table rest_aomi_namespaces_table;

struct rest_aomi_model {
	struct str rig, baml, namespace, chatbot, public_key;
};
extern const struct rest_query_table rest_aomi_model_table;

/* Bodies. */
struct rest_aomi_new {
	struct str public_key, title, namespace;
};
extern const struct json_table rest_aomi_new_table;

struct rest_aomi_title {
	struct str title;
};
extern const struct json_table rest_aomi_title_table;

/* A body that there need not be: {}. */
struct rest_aomi_nothing {
	char none;
};
extern const struct json_table rest_aomi_nothing_table;

/* Of PUT /api/v1/namespaces/{name}. */
struct rest_namespace {
	struct str agent; /* JSON */
	bool open;
};
extern const struct json_table rest_namespace_table;
