// Oip loads a model and classifies 64 images by the Open Inference Protocol, with the generated code alone.
//
//	go run ./oip ADDRESS MODEL FILE.spk IMAGES-idx3-ubyte.gz
package main

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // healthCheckConfig does nothing without it
	"google.golang.org/grpc/metadata"

	pb "spikeserve.example/go/inference"
)

func main() {
	address, model, file, images := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	config, err := os.ReadFile("../service-config.json")
	check(err)
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(config)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(72<<20))) // 4 MB unless it is told
	check(err)
	defer connection.Close()
	client := pb.NewGRPCInferenceServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "spikeserve-network", model)

	spk, err := os.ReadFile(file)
	check(err)
	content := &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_BytesParam{BytesParam: spk}}
	_, err = client.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{
		ModelName: model, Parameters: map[string]*pb.ModelRepositoryParameter{"file:1/network.spk": content}})
	check(err)
	described, err := client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: model})
	check(err)

	steps := &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 16}}
	answer, err := client.ModelInfer(ctx, &pb.ModelInferRequest{
		ModelName:        model,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: described.Inputs[0].Name, Datatype: "UINT8", Shape: []int64{64, 28, 28}}},
		RawInputContents: [][]byte{read(images, 64*28*28)},
		Outputs:          []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "classes"}},
		Parameters:       map[string]*pb.InferParameter{"steps": steps},
	})
	check(err)
	fmt.Print("classes:")
	for raw := answer.RawOutputContents[0]; len(raw) > 0; raw = raw[8:] { // INT64
		fmt.Print(" ", binary.LittleEndian.Uint64(raw))
	}
	fmt.Println()
}

// read returns the pixels behind the header of an IDX file.
func read(path string, size int) []byte {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	idx, err := gzip.NewReader(file)
	check(err)
	content := make([]byte, 16+size)
	_, err = io.ReadFull(idx, content)
	check(err)
	return content[16:]
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
