#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_transcript.h"
#include "tests/support/test.h"

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define BYTES(s)                                                                                   \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

enum { RANDOM_RUNS = 40 };

struct parse_case {
	const char *what;
	struct str bytes;
	const char *verdict; /* as struct http_transcript has it */
};

static const struct parse_case cases[] = {
	{ "a plain request", BYTES(GET "\r\n"), "R" },
	{ "two in a row", BYTES(GET "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "RR" },
	{ "an unfinished head", BYTES(GET), "-" },
	{ "nothing at all", BYTES(""), "" },
	{ "one empty line before the request", BYTES("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "R" },
	{ "an empty line between requests", BYTES(GET "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "RR" },
	{ "two empty lines before the request", BYTES("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "400" },
	{ "a bare LF before the request", BYTES("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a space before the method", BYTES(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "two spaces after the method", BYTES("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "two spaces before the version", BYTES("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a space after the version", BYTES("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), "400" },
	{ "a tab between the parts", BYTES("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a space inside the target", BYTES("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "no version (HTTP/0.9)", BYTES("GET /\r\n\r\n"), "400" },
	{ "no target", BYTES("GET HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "only a method", BYTES("GET\r\n\r\n"), "400" },
	{ "HTTP/1.0 without Host", BYTES("GET / HTTP/1.0\r\n\r\n"), "R" },
	{ "HTTP/1.2", BYTES("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), "505" },
	{ "HTTP/2.0 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505" },
	{ "HTTP/0.9 spelled out", BYTES("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), "505" },
	{ "HTTP/3.0", BYTES("GET / HTTP/3.0\r\n\r\n"), "505" },
	{ "HTTP/01.1", BYTES("GET / HTTP/01.1\r\nHost: a\r\n\r\n"), "400" },
	{ "HTTP/1.01", BYTES("GET / HTTP/1.01\r\nHost: a\r\n\r\n"), "400" },
	{ "HTTP/1", BYTES("GET / HTTP/1\r\nHost: a\r\n\r\n"), "400" },
	{ "HTTP/1,1", BYTES("GET / HTTP/1,1\r\nHost: a\r\n\r\n"), "400" },
	{ "http/1.1 in small letters", BYTES("GET / http/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "HTTPS/1.1", BYTES("GET / HTTPS/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "another protocol", BYTES("GET / ICY/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a method in small letters", BYTES("get / HTTP/1.1\r\nHost: a\r\n\r\n"), "501" },
	{ "an unknown method", BYTES("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), "501" },
	{ "TRACE", BYTES("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), "501" },
	{ "CONNECT", BYTES("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), "501" },
	{ "a method that is no token", BYTES("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a method with a control byte", BYTES("GE\001T / HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a TLS hello", BYTES("\026\003\001\002\000\001"), "400" },
	{ "OPTIONS *", BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "GET *", BYTES("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "OPTIONS **", BYTES("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a target that is no path", BYTES("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "authority-form with GET", BYTES("GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), "400" },
	{ "absolute-form", BYTES("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "absolute-form with https", BYTES("GET HTTPS://A:1/x HTTP/1.1\r\nHost: a:1\r\n\r\n"),
	  "R" },
	{ "absolute-form without a path", BYTES("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "absolute-form of another host", BYTES("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "400" },
	{ "absolute-form without a host", BYTES("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "400" },
	{ "absolute-form with userinfo", BYTES("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "400" },
	{ "absolute-form of another scheme", BYTES("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "400" },
	{ "absolute-form without Host", BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), "400" },
	{ "a fragment", BYTES("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a fragment in the query", BYTES("GET /a?c#b HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a quote in the path", BYTES("GET /a\"b HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a backslash in the path", BYTES("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a byte above 127 in the path", BYTES("GET /\377 HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "NUL in the path", BYTES("GET /\000 HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a good escape", BYTES("GET /%2f%41 HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "a short escape", BYTES("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "an escape of no hex digits", BYTES("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a lone percent sign", BYTES("GET /% HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "an escaped NUL", BYTES("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "an escaped NUL in the query", BYTES("GET /?a=%00 HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a short escape in the query", BYTES("GET /?a=%e HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "brackets in the query", BYTES("GET /?a[b]={c|d} HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "brackets in the path", BYTES("GET /[a] HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a question mark in the query", BYTES("GET /?a?b HTTP/1.1\r\nHost: a\r\n\r\n"), "R" },
	{ "a bare LF after the request line", BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"), "400" },
	{ "a bare LF after a field", BYTES("GET / HTTP/1.1\r\nHost: a\n\r\n"), "400" },
	{ "a bare LF at the end of the head", BYTES(GET "\n"), "400" },
	{ "a bare CR in the request line", BYTES("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"), "400" },
	{ "a bare CR in a value", BYTES(GET "X: a\rb\r\n\r\n"), "400" },
	{ "a bare CR in a name", BYTES(GET "X\rY: b\r\n\r\n"), "400" },
	{ "CR CR LF", BYTES(GET "X: a\r\r\n\r\n"), "400" },
	{ "CR at the very end of the head", BYTES(GET "\r"), "-" },
	{ "NUL in a value", BYTES(GET "X: a\000b\r\n\r\n"), "400" },
	{ "bell in a value", BYTES(GET "X: a\007b\r\n\r\n"), "400" },
	{ "escape in a value", BYTES(GET "X: \033[31m\r\n\r\n"), "400" },
	{ "DEL in a value", BYTES(GET "X: a\177b\r\n\r\n"), "400" },
	{ "a tab in a value", BYTES(GET "X: a\tb\r\n\r\n"), "R" },
	{ "bytes above 127 in a value", BYTES(GET "X: \351\r\n\r\n"), "R" },
	{ "an empty value", BYTES(GET "X:\r\n\r\n"), "R" },
	{ "a value of spaces", BYTES(GET "X:   \t \r\n\r\n"), "R" },
	{ "an empty name", BYTES(GET ": b\r\n\r\n"), "400" },
	{ "no colon", BYTES(GET "X\r\n\r\n"), "400" },
	{ "a space before the colon", BYTES(GET "X : b\r\n\r\n"), "400" },
	{ "a tab before the colon", BYTES(GET "X\t: b\r\n\r\n"), "400" },
	{ "a space before Content-Length's colon", BYTES(POST "Content-Length : 5\r\n\r\nhello"),
	  "400" },
	{ "a space inside a name", BYTES(GET "X Y: b\r\n\r\n"), "400" },
	{ "brackets in a name", BYTES(GET "X-Invalid[]: b\r\n\r\n"), "400" },
	{ "a byte above 127 in a name", BYTES(GET "X\351: b\r\n\r\n"), "400" },
	{ "NUL in a name", BYTES(GET "X\000: b\r\n\r\n"), "400" },
	{ "obs-fold with a space", BYTES(GET "X: a\r\n b\r\n\r\n"), "400" },
	{ "obs-fold with a tab", BYTES(GET "X: a\r\n\tb\r\n\r\n"), "400" },
	{ "a space before the first field", BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "400" },
	{ "obs-fold of Transfer-Encoding",
	  BYTES(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), "400" },
	{ "no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), "400" },
	{ "no Host and a body", BYTES("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"), "400" },
	{ "two Hosts", BYTES(GET "Host: a\r\n\r\n"), "400" },
	{ "two Hosts that differ", BYTES(GET "Host: b\r\n\r\n"), "400" },
	{ "an empty Host", BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "400" },
	{ "a Host with a path", BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "400" },
	{ "a Host with a space", BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "400" },
	{ "a Host with userinfo", BYTES("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), "400" },
	{ "a Host list", BYTES("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), "400" },
	{ "a Host with a port", BYTES("GET / HTTP/1.1\r\nHost: a.b-c:8080\r\n\r\n"), "R" },
	{ "a Host with an empty port", BYTES("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), "400" },
	{ "a Host with a bad port", BYTES("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"), "400" },
	{ "a Host with a large port", BYTES("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"), "400" },
	{ "an IPv6 Host", BYTES("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "R" },
	{ "the IPv6 any Host", BYTES("GET / HTTP/1.1\r\nHost: [::]\r\n\r\n"), "R" },
	{ "a broken IPv6 Host", BYTES("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), "400" },
	{ "an IPv6 Host with rubbish", BYTES("GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"), "400" },
	{ "a body with a length", BYTES(POST "Content-Length: 5\r\n\r\nhello"), "R" },
	{ "a body of length 0", BYTES(POST "Content-Length: 0\r\n\r\n"), "R" },
	{ "a body and the next request",
	  BYTES(POST "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "RR" },
	{ "a body that is not all here", BYTES(POST "Content-Length: 5\r\n\r\nhell"), "-" },
	{ "a GET with a body",
	  BYTES(GET "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "RR" },
	{ "a HEAD whose body looks like a request",
	  BYTES("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\nGET /admin "
	        "HTTP/1.1\r\nHost: a:1234\r\n\r\n"),
	  "R" },
	{ "a HEAD with a chunked body",
	  BYTES("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
	        "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "RR" },
	{ "a DELETE with a body",
	  BYTES("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "R" },
	{ "an OPTIONS with a body",
	  BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "R" },
	{ "two lengths that agree",
	  BYTES(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "400" },
	{ "two lengths that differ",
	  BYTES(POST "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"), "400" },
	{ "a list of lengths", BYTES(POST "Content-Length: 5, 5\r\n\r\nhello"), "400" },
	{ "a length with a plus", BYTES(POST "Content-Length: +5\r\n\r\nhello"), "400" },
	{ "a negative length", BYTES(POST "Content-Length: -5\r\n\r\nhello"), "400" },
	{ "a length with a leading zero", BYTES(POST "Content-Length: 05\r\n\r\nhello"), "400" },
	{ "a hexadecimal length", BYTES(POST "Content-Length: 0x5\r\n\r\nhello"), "400" },
	{ "a length with a fraction", BYTES(POST "Content-Length: 5.0\r\n\r\nhello"), "400" },
	{ "a length with a unit", BYTES(POST "Content-Length: 5b\r\n\r\nhello"), "400" },
	{ "a length with a space inside", BYTES(POST "Content-Length: 1 1\r\n\r\nhello"), "400" },
	{ "a length with NUL inside", BYTES(POST "Content-Length: 0\0005\r\n\r\nhello"), "400" },
	{ "an empty length", BYTES(POST "Content-Length:\r\n\r\n"), "400" },
	{ "a length in quotes", BYTES(POST "Content-Length: \"5\"\r\n\r\nhello"), "400" },
	{ "a length beyond 63 bits", BYTES(POST "Content-Length: 9223372036854775808\r\n\r\n"),
	  "400" },
	{ "a length beyond 64 bits",
	  BYTES(POST "Content-Length: 18446744073709551621\r\n\r\nhello"), "400" },
	{ "a length and chunked",
	  BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400" },
	{ "chunked and a length",
	  BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), "400" },
	{ "a length and identity",
	  BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello"), "400" },
	{ "a length and an unknown coding",
	  BYTES(POST "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello"), "400" },
	{ "Chunked with a capital", BYTES(POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
	  "R" },
	{ "identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), "501" },
	{ "xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "501" },
	{ "gzip", BYTES(POST "Transfer-Encoding: gzip\r\n\r\n"), "501" },
	{ "gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "501" },
	{ "chunked, gzip", BYTES(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), "400" },
	{ "chunked twice", BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked in two fields",
	  BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked then identity in two fields",
	  BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked with a parameter", BYTES(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked in quotes", BYTES(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked after a vertical tab",
	  BYTES(POST "Transfer-Encoding: \013chunked\r\n\r\n0\r\n\r\n"), "400" },
	{ "an empty coding", BYTES(POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n"), "400" },
	{ "a lone comma as coding", BYTES(POST "Transfer-Encoding: ,\r\n\r\n0\r\n\r\n"), "400" },
	{ "chunked with a comma", BYTES(POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
	  "400" },
	{ "chunked with HTTP/1.0",
	  BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400" },
	{ "Transfer_Encoding is another field", BYTES(POST "Transfer_Encoding: chunked\r\n\r\n"),
	  "R" },
	{ "one chunk", BYTES(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), "R" },
	{ "two chunks", BYTES(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" GET "\r\n"), "RR" },
	{ "a chunk size in capitals", BYTES(CHUNKED "A\r\n0123456789\r\n0\r\n\r\n"), "R" },
	{ "a chunk size with leading zeros", BYTES(CHUNKED "0005\r\nhello\r\n000\r\n\r\n"), "R" },
	{ "a chunk size of nine digits", BYTES(CHUNKED "000000005\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size that overflows", BYTES(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
	  "400" },
	{ "a chunk size with 0x", BYTES(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size with a plus", BYTES(CHUNKED "+5\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size with a minus", BYTES(CHUNKED "-0\r\n\r\n"), "400" },
	{ "a chunk size after a space", BYTES(CHUNKED " 5\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size before a space", BYTES(CHUNKED "5 \r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size with an underscore", BYTES(CHUNKED "1_0\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "no chunk size", BYTES(CHUNKED "\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "no chunk size but an extension", BYTES(CHUNKED ";a\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size of no hex digit", BYTES(CHUNKED "g\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size line that ends in LF", BYTES(CHUNKED "5\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk size line with CR only", BYTES(CHUNKED "5\rhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk that is longer than said", BYTES(CHUNKED "4\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk that is shorter than said", BYTES(CHUNKED "6\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a chunk that ends in LF", BYTES(CHUNKED "5\r\nhello\n0\r\n\r\n"), "400" },
	{ "a chunk that ends in CR CR", BYTES(CHUNKED "5\r\nhello\r\r0\r\n\r\n"), "400" },
	{ "a chunk extension", BYTES(CHUNKED "5;a=b\r\nhello\r\n0;c\r\n\r\n"), "R" },
	{ "a quoted chunk extension", BYTES(CHUNKED "5;a=\"x;y\"\r\nhello\r\n0\r\n\r\n"), "R" },
	{ "an empty chunk extension", BYTES(CHUNKED "5;\r\nhello\r\n0\r\n\r\n"), "R" },
	{ "a bare LF in a chunk extension", BYTES(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "a bare CR in a chunk extension", BYTES(CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "NUL in a chunk extension", BYTES(CHUNKED "5;\000\r\nhello\r\n0\r\n\r\n"), "400" },
	{ "an end without its empty line", BYTES(CHUNKED "5\r\nhello\r\n0\r\n"), "-" },
	{ "a terminator of bare LFs", BYTES(CHUNKED "5\r\nhello\r\n0\n\n"), "400" },
	{ "a last line that ends in LF", BYTES(CHUNKED "0\r\n\n"), "400" },
	{ "a last line with CR only", BYTES(CHUNKED "0\r\n\rX"), "400" },
	{ "a trailer", BYTES(CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n\r\n" GET "\r\n"), "RR" },
	{ "a trailer that would frame", BYTES(CHUNKED "0\r\nContent-Length: 5\r\n\r\n" GET "\r\n"),
	  "RR" },
	{ "a trailer without colon", BYTES(CHUNKED "0\r\nX\r\n\r\n"), "400" },
	{ "a trailer with an empty name", BYTES(CHUNKED "0\r\n: y\r\n\r\n"), "400" },
	{ "a trailer with a space before the colon", BYTES(CHUNKED "0\r\nX : y\r\n\r\n"), "400" },
	{ "a folded trailer", BYTES(CHUNKED "0\r\nX: y\r\n z\r\n\r\n"), "400" },
	{ "a trailer with NUL", BYTES(CHUNKED "0\r\nX: \000\r\n\r\n"), "400" },
	{ "a trailer that ends in LF", BYTES(CHUNKED "0\r\nX: y\n\r\n"), "400" },
	{ "a trailer with a bare CR", BYTES(CHUNKED "0\r\nX: y\rz\r\n\r\n"), "400" },
	{ "a request line instead of a trailer", BYTES(CHUNKED "0\r\n" GET "\r\n"), "400" },
	{ "an upgrade to h2c is only a header",
	  BYTES(GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
	            "AA\r\n\r\n"),
	  "R" },
	{ "a body nobody announced", BYTES(POST "\r\nhello"), "R-" },
};

/* Feed in pieces of 1 byte (most == 1) or of 1 to `most` bytes; 0: whole. */
static void run(struct http_transcript *t, struct str in, size_t most)
{
	http_transcript_init(t);
	if (most == 0) {
		http_transcript_feed(t, in);
		in.n = 0;
	}
	while (in.n > 0) {
		size_t n = 1 + (size_t)random() % most;

		if (n > in.n) {
			n = in.n;
		}
		http_transcript_feed(t, str_make(in.p, n));
		in = str_make(in.p + n, in.n - n);
	}
	http_transcript_close(t);
}

static bool same(const struct buf *a, const struct buf *b)
{
	struct str x = buf_str(a), y = buf_str(b);

	assert_true((x.n == 0 || x.p != NULL) && (y.n == 0 || y.p != NULL));
	return str_eq(x, y);
}

/* The verdict, after all ways of cutting agreed on every word. */
static void assert_verdict(const char *what, struct str in, const char *verdict)
{
	struct http_transcript whole, cut;

	run(&whole, in, 0);
	if (strcmp(buf_cstr(&whole.verdict), verdict) != 0) {
		fail_msg("%s: expected %s, got %s (%s)", what, verdict, buf_cstr(&whole.verdict),
		         buf_cstr(&whole.text));
	}
	for (size_t i = 0; i < RANDOM_RUNS; i++) {
		run(&cut, in, i == 0 ? 1 : 1 + i);
		if (!same(&whole.text, &cut.text) || !same(&whole.verdict, &cut.verdict)) {
			fail_msg("%s: whole \"%s\", in pieces \"%s\"", what, buf_cstr(&whole.text),
			         buf_cstr(&cut.text));
		}
		http_transcript_fini(&cut);
	}
	http_transcript_fini(&whole);
}

static void every_case_gets_its_verdict_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_verdict(cases[i].what, cases[i].bytes, cases[i].verdict);
	}
}

static void a_request_is_understood_to_the_letter(void **state)
{
	struct str in = STR_LIT("POST /a%20b?c=%64&e HTTP/1.1\r\nhOST: Example.org:81\r\n"
	                        "X-A:  b c\t \r\nX-A:\r\nConnection: foo , CLOSE\r\n"
	                        "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n"
	                        "3;x=\"y\"\r\nabc\r\n02\r\nde\r\n0\r\nT: u\r\n\r\n");
	struct http_transcript t;

	(void)state;
	run(&t, in, 0);
	assert_string_equal(
		buf_cstr(&t.text),
		"POST /a%20b ?c=%64&e 1.1 host=Example.org:81 keep=0 expect=10 chunked=1 length=0"
		" [hOST=Example.org:81] [X-A=b c] [X-A=] [Connection=foo , CLOSE]"
		" [Expect=100-Continue] [Transfer-Encoding=chunked] body=abcde\n");
	http_transcript_fini(&t);
}

static void absolute_form_becomes_origin_form(void **state)
{
	struct http_transcript t;

	(void)state;
	run(&t,
	    STR_LIT("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"
	            "GET http://A?x HTTP/1.1\r\nHost: a\r\n\r\n"
	            "GET http://b/c HTTP/1.0\r\n\r\n"),
	    0);
	assert_string_equal(
		buf_cstr(&t.text),
		"OPTIONS * ? 1.1 host=a keep=1 expect=00 chunked=0 length=0 [Host=a] body=\n"
		"GET / ?x 1.1 host=A keep=1 expect=00 chunked=0 length=0 [Host=a] body=\n"
		"GET /c ? 1.0 host=b keep=0 expect=00 chunked=0 length=0 body=\n");
	http_transcript_fini(&t);
}

static void assert_keep(const char *version, const char *connection, bool keep)
{
	struct http_transcript t;
	char in[256];

	(void)snprintf(in, sizeof(in), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", version, connection);
	http_transcript_init(&t);
	http_transcript_feed(&t, str_of(in));
	assert_string_equal(buf_cstr(&t.verdict), "R");
	assert_true((strstr(buf_cstr(&t.text), "keep=1") != NULL) == keep);
	http_transcript_fini(&t);
}

static void close_wins_over_keep_alive(void **state)
{
	(void)state;
	assert_keep("1.1", "", true);
	assert_keep("1.1", "Connection: close\r\n", false);
	assert_keep("1.1", "Connection: keep-alive, close\r\n", false);
	assert_keep("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false);
	assert_keep("1.1", "Connection: closed\r\n", true);
	assert_keep("1.0", "", false);
	assert_keep("1.0", "Connection: Keep-Alive\r\n", true);
	assert_keep("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false);
}

static void an_expectation_is_continue_or_cannot_be_met(void **state)
{
	struct http_transcript t;

	(void)state;
	run(&t,
	    STR_LIT(POST "Expect: 100-continue\r\n\r\n" POST "Expect: a=b\r\n\r\n"
	                 "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
	    0);
	assert_string_equal(buf_cstr(&t.verdict), "RRR");
	assert_non_null(strstr(buf_cstr(&t.text), "expect=10"));
	assert_non_null(strstr(buf_cstr(&t.text), "expect=01"));
	assert_non_null(strstr(buf_cstr(&t.text), "1.0 host= keep=0 expect=00"));
	http_transcript_fini(&t);
}

/* `before`, then n times `c`, then `after`. */
static void assert_long(const char *before, char c, size_t n, const char *after,
                        const char *verdict)
{
	struct buf in;

	buf_init(&in, SIZE_MAX / 2);
	buf_add_cstr(&in, before);
	for (size_t i = 0; i < n; i++) {
		buf_add_char(&in, c);
	}
	buf_add_cstr(&in, after);
	assert_verdict(before, buf_str(&in), verdict);
	buf_fini(&in);
}

static void the_request_line_ends_at_8_kib(void **state)
{
	size_t fixed = strlen("GET / HTTP/1.1\r\n");

	(void)state;
	assert_long("GET /", 'a', HTTP_LINE_MAX - fixed, " HTTP/1.1\r\nHost: a\r\n\r\n", "R");
	assert_long("GET /", 'a', HTTP_LINE_MAX - fixed + 1, " HTTP/1.1\r\nHost: a\r\n\r\n", "414");
	assert_long("GET /", 'a', 100000, "", "414");
	assert_long("", 'G', 100000, "", "414");
}

static void the_head_ends_at_16_kib(void **state)
{
	size_t fixed = strlen(GET "X: \r\n\r\n");

	(void)state;
	assert_long(GET "X: ", 'a', HTTP_HEAD_MAX - fixed, "\r\n\r\n", "R");
	assert_long(GET "X: ", 'a', HTTP_HEAD_MAX - fixed + 1, "\r\n\r\n", "431");
	assert_long(GET, 'a', 100000, "", "431");
}

static void a_hundred_fields_are_taken_and_no_more(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, SIZE_MAX / 2);
	buf_add_cstr(&in, GET);
	for (int i = 1; i < HTTP_HEADERS_MAX; i++) {
		buf_addf(&in, "X%d: y\r\n", i);
	}
	buf_add_cstr(&in, "\r\n");
	assert_verdict("100 fields", buf_str(&in), "R");
	in.len -= 2;
	buf_add_cstr(&in, "Last: y\r\n\r\n");
	assert_verdict("101 fields", buf_str(&in), "431");
	buf_fini(&in);
}

static void chunk_extensions_and_trailers_are_bounded(void **state)
{
	struct buf in;

	(void)state;
	assert_long(CHUNKED "1;", 'a', HTTP_EXTENSIONS_MAX, "\r\nx\r\n0\r\n\r\n", "R");
	assert_long(CHUNKED "1;", 'a', HTTP_EXTENSIONS_MAX + 1, "\r\nx\r\n0\r\n\r\n", "400");
	assert_long(CHUNKED "0\r\nX: ", 'a', HTTP_TRAILERS_MAX, "\r\n\r\n", "431");
	buf_init(&in, SIZE_MAX / 2);
	buf_add_cstr(&in, CHUNKED);
	for (int i = 0; i < HTTP_EXTENSIONS_MAX + 1; i++) {
		buf_add_cstr(&in, "1;a\r\nx\r\n");
	}
	buf_add_cstr(&in, "0\r\n\r\n");
	assert_verdict("extensions of many chunks", buf_str(&in), "400");
	buf_reset(&in);
	buf_add_cstr(&in, CHUNKED "0\r\n");
	for (int i = 0; i <= HTTP_HEADERS_MAX; i++) {
		buf_add_cstr(&in, "X: y\r\n");
	}
	assert_verdict("101 trailer fields", buf_str(&in), "431");
	buf_fini(&in);
}

static void random_damage_never_makes_the_cuts_disagree(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		const struct parse_case *c = &cases[(size_t)random() % ARRAY_LEN(cases)];
		char bytes[512];
		struct http_transcript whole, cut;

		if (c->bytes.n == 0) {
			continue;
		}
		assert_true(c->bytes.n < sizeof(bytes));
		memcpy(bytes, c->bytes.p, c->bytes.n);
		bytes[(size_t)random() % c->bytes.n] = (char)random();
		run(&whole, str_make(bytes, c->bytes.n), 0);
		run(&cut, str_make(bytes, c->bytes.n), 1 + (size_t)random() % 9);
		assert_string_equal(buf_cstr(&whole.verdict), buf_cstr(&cut.verdict));
		assert_true(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
		http_transcript_fini(&whole);
		http_transcript_fini(&cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_gets_its_verdict_however_it_is_cut),
		cmocka_unit_test(a_request_is_understood_to_the_letter),
		cmocka_unit_test(absolute_form_becomes_origin_form),
		cmocka_unit_test(close_wins_over_keep_alive),
		cmocka_unit_test(an_expectation_is_continue_or_cannot_be_met),
		cmocka_unit_test(the_request_line_ends_at_8_kib),
		cmocka_unit_test(the_head_ends_at_16_kib),
		cmocka_unit_test(a_hundred_fields_are_taken_and_no_more),
		cmocka_unit_test(chunk_extensions_and_trailers_are_bounded),
		cmocka_unit_test(random_damage_never_makes_the_cuts_disagree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
