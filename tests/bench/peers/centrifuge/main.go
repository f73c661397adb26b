// Centrifuge as a server: WebSocket subscribers with recovery from Redis streams; POST /publish?ch=CHANNEL publishes.
//
// usage: centrifuge-peer ADDRESS REDIS_ADDRESS
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	node, err := centrifuge.New(centrifuge.DefaultConfig)
	check(err)
	node.OnConnecting(func(_ context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "u"}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, cb centrifuge.SubscribeCallback) {
			cb(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{Recover: true}}, nil)
		})
	})
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: os.Args[2]})
	check(err)
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{
		UseStreams: true, Shards: []*centrifuge.RedisShard{shard}})
	check(err)
	node.SetBroker(broker)
	check(node.Run())
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	http.HandleFunc("/publish", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := node.Publish(r.URL.Query().Get("ch"), body, centrifuge.WithHistory(1000, 10*time.Minute)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	check(http.ListenAndServe(os.Args[1], nil))
}
