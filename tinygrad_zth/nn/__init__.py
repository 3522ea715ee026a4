"""torch.nn. (05:30: the lead is writing functional/{affine,normalization,loss,dropout,attention}.py, activations.py, losses.py, utils/ and this file;
nn helper: conv, pooling, padding, rnn, attention, transformer, upsampling, distances.)"""
