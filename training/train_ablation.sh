#!/bin/sh
# Trains the networks of notebook 03: MSSNet, and MSSNet without each of its three remedies.
#
#     sh training/train_ablation.sh FOLDER_OF_PHOTOS [STEPS] [SEEDS]
#
# The budget is a number of steps, never minutes: all networks see the same pairs in the same order.
# One seed is finished before the next begins, so a run that is cut off leaves whole sets. Run it
# again to go on. Results: runs/ablation/NAME-SEED. To ship them: training/export_ablation.py
# PYTHON and OUT in the environment choose another interpreter and folder.
set -eu
photos=${1:?"which folder of sharp photographs?"}
steps=${2:-500}
seeds=${3:-"0 1"}
out=${OUT:-runs/ablation}
for seed in $seeds; do
    for name in full equal-stages rgb-only bilinear; do
        run=$out/$name-$seed
        [ -e "$run/done" ] && continue
        resume=""
        [ -e "$run/state.pt" ] && resume=--resume
        "${PYTHON:-python}" -m training.train "ablation-$name" --photos "$photos" --out "$run" \
            --steps "$steps" --seed "$seed" --batch 4 --size 64 --muon-rate 0.006 \
            --difficulty 0.1 0.1 --bf16 --every 300 $resume
        touch "$run/done"
    done
done
