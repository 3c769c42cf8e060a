module footballprediction

go 1.26
