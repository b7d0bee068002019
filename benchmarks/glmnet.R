# Rscript glmnet.R FOLDER UNITS NEURONS L1 L2 THRESH: the multinomial elastic net of FOLDER/x (float32, unit by unit) and
# FOLDER/y, along nine λ down to the asked one (from a lower one it goes astray and does not say so). Writes FOLDER/theta
# (float64, neuron by neuron, of each label the bias first) and says the CPU seconds of the fit.
library(glmnet)
given <- commandArgs(TRUE)
folder <- given[1]
n <- as.integer(given[2])
d <- as.integer(given[3])
l1 <- as.numeric(given[4])
l2 <- as.numeric(given[5])
x <- matrix(readBin(file.path(folder, "x"), "numeric", n * d, size = 4), n, d, byrow = TRUE)
y <- factor(readBin(file.path(folder, "y"), "integer", n, size = 4))
lambda <- (l1 + 2 * l2) * 2^(8:0)
start <- proc.time()
fit <- glmnet(x, y, "multinomial", alpha = l1 / (l1 + 2 * l2), lambda = lambda, standardize = FALSE,
              thresh = as.numeric(given[6]), maxit = 1e7)
used <- proc.time() - start
stopifnot(fit$jerr == 0, all(diff(fit$dev.ratio) > 0))
writeBin(as.vector(sapply(coef(fit, s = min(lambda)), as.matrix)), file.path(folder, "theta"))
cat(used[["user.self"]] + used[["sys.self"]], "\n")
