#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Scripts for pytorch-CycleGAN-and-pix2pix and CUT: every option of their train.py and test.py, and
# the commands of their front pages, are honoured, left aside with a line that says why, or refused
# with what to use instead; none is an unknown word, and none is dropped in silence.
#
#     test_elsewhere.sh PROGRAM
set -u
limn=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
case $limn in /*) ;; *) limn=$OLDPWD/$limn ;; esac
passed=0
failed=0

# What is honoured gets as far as the folder or the model that is not there: exit code 1.
try() { # EXPECTED WORD...
    expected=$1
    shift
    "$limn" "$@" >out 2>err </dev/null
    code=$?
    words=$(tr '\n' ' ' <err)
    case $expected in
    honoured | in_silence) pattern='limn: *nowhere*: No such file or directory ' want=1 ;;
    aside) pattern='limn: --* is left aside: ?*nowhere*: No such file or directory ' want=1 ;;
    *) pattern="limn: *$expected*" want=2 ;;
    esac
    case $code:$words in
    "$want":$pattern) said= ;;
    *) said=no ;;
    esac
    # A second line where silence is due, or an unknown word, is a failure too.
    case $expected:$words in
    *"there is no setting"* | honoured:*aside* | in_silence:*aside*) said=no ;;
    esac
    if [ -z "$said" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: limn $*: exit code $code: $words"; fi
}

count=0
while read -r option value expected; do
    [ -n "$option" ] || continue
    count=$((count + 1))
    [ "$value" != - ] || value=
    # shellcheck disable=SC2086
    try "$expected" train --dataroot nowhere $option $value
done <<'END'
--dataroot nowhere honoured
--name mine honoured
--gpu_ids 0 aside
--gpu_ids -1 aside
--gpu_ids 0,1,2 aside
--checkpoints_dir ./checkpoints honoured
--model pix2pix honoured
--model cycle_gan honoured
--model colorization honoured
--model cut honoured
--model test limn translate RUN
--model sincut --model cut
--input_nc 1 honoured
--output_nc 1 honoured
--ngf 32 honoured
--ndf 32 honoured
--netD basic honoured
--netD n_layers honoured
--netD pixel honoured
--netD tilestylegan2 --netD basic
--netG unet_256 honoured
--netG resnet_6blocks honoured
--netG stylegan2 --netG resnet_9blocks
--netG resnet_cat --netG resnet_9blocks
--n_layers_D 4 honoured
--norm instance honoured
--norm batch honoured
--norm none honoured
--normG instance --norm is for
--normD instance --norm is for
--init_type xavier honoured
--init_gain 0.02 honoured
--no_dropout - honoured
--no_dropout True honoured
--no_antialias - honoured
--no_antialias_up - honoured
--dataset_mode aligned aside
--dataset_mode unaligned aside
--dataset_mode single aside
--dataset_mode colorization aside
--direction BtoA honoured
--serial_batches - honoured
--num_threads 4 honoured
--batch_size 4 honoured
--load_size 300 honoured
--crop_size 256 honoured
--max_dataset_size 100 honoured
--preprocess resize_and_crop honoured
--preprocess scale_width_and_crop honoured
--preprocess none honoured
--preprocess zoom_and_patch resize_and_crop|crop|scale_width
--random_scale_max 3.0 one picture
--no_flip - honoured
--display_winsize 256 aside
--epoch latest in_silence
--epoch 60 --init RUN/epoch
--which_epoch latest in_silence
--load_iter 0 in_silence
--load_iter 1000 by epoch
--verbose - aside
--suffix {model} --name
--use_wandb - aside
--wandb_project_name mine aside
--easy_label mine aside
--display_freq 400 honoured
--display_ncols 4 aside
--display_id 0 aside
--display_id -1 aside
--display_server http://localhost aside
--display_env main aside
--display_port 8097 aside
--update_html_freq 1000 honoured
--print_freq 100 honoured
--no_html - honoured
--save_latest_freq 5000 honoured
--save_epoch_freq 5 honoured
--save_by_iter - --save-epoch-freq
--evaluation_freq 5000 aside
--epoch_count 1 honoured
--phase train in_silence
--phase val folder's train
--pretrained_name nowhere honoured
--n_epochs 100 honoured
--n_epochs_decay 100 honoured
--niter 100 honoured
--niter_decay 100 honoured
--beta1 0.5 honoured
--beta2 0.999 in_silence
--beta2 0.9 0.999
--lr 0.0002 honoured
--gan_mode lsgan honoured
--gan_mode vanilla honoured
--gan_mode wgangp --gan-mode lsgan or hinge
--no_lsgan - honoured
--pool_size 0 honoured
--lr_policy linear honoured
--lr_policy lambda honoured
--lr_policy step honoured
--lr_policy plateau honoured
--lr_policy cosine honoured
--lr_decay_iters 50 honoured
--lambda_L1 100 honoured
--CUT_mode CUT honoured
--CUT_mode fastcut honoured
--CUT_mode sinCUT CUT or FastCUT
--lambda_GAN 1.0 in_silence
--lambda_GAN 0.5 twice the other weights
--netF mlp_sample in_silence
--netF sample mlp_sample
--nce_includes_all_negatives_from_minibatch False in_silence
--nce_includes_all_negatives_from_minibatch True places of the same
--stylegan2_G_num_downsampling 1 StyleGAN2
END
[ $count -gt 100 ] || { failed=$((failed + 1)); echo "FAILED: only $count options of train were tried"; }

# Weights of terms belong to their recipes.
for option in "--lambda_A 10" "--lambda_B 10" "--lambda_identity 0.5" "--identity 0.5" "--pool_size 50"; do
    # shellcheck disable=SC2086
    try honoured train nowhere --model cycle_gan $option
done
for option in "--lambda_NCE 1.0" "--nce_idt" "--nce_idt False" "--nce_layers 0,4,8,12,16" "--netF_nc 256" \
    "--nce_T 0.07" "--num_patches 256" "--flip_equivariance True"; do
    # shellcheck disable=SC2086
    try honoured train nowhere --model cut $option
done
try "cycle_gan" train nowhere --model pix2pix --pool_size 20

count=0
while read -r option value expected; do
    [ -n "$option" ] || continue
    count=$((count + 1))
    [ "$value" != - ] || value=
    # shellcheck disable=SC2086
    try "$expected" translate nowhere.safetensors in.png -o out.png $option $value
done <<'END'
--dataroot plain honoured
--gpu_ids 0 aside
--model test aside
--model pix2pix aside
--model mine.safetensors comes first
--input_nc 3 aside
--output_nc 3 aside
--ngf 64 aside
--ndf 64 aside
--netD basic aside
--netG unet_256 aside
--which_model_netG unet_256 aside
--n_layers_D 3 aside
--norm batch aside
--normG instance aside
--normD instance aside
--init_type normal aside
--init_gain 0.02 aside
--no_dropout - aside
--no_antialias - aside
--no_antialias_up - aside
--dataset_mode single aside
--direction BtoA honoured
--serial_batches - in_silence
--num_threads 0 honoured
--batch_size 1 aside
--load_size 256 aside
--crop_size 256 aside
--max_dataset_size 10 aside
--preprocess none in_silence
--preprocess resize_and_crop aside
--no_flip - in_silence
--display_winsize 256 aside
--load_iter 0 in_silence
--load_iter 500 --epoch 5
--verbose - aside
--suffix _x --name
--use_wandb - aside
--wandb_project_name mine aside
--results_dir out honoured
--aspect_ratio 1.0 in_silence
--aspect_ratio 2.0 aside
--phase test in_silence
--phase val DATA/valA
--eval - aside
--num_test 50 aside
--how_many 50 aside
--model_suffix _A honoured
--CUT_mode CUT aside
--netF mlp_sample aside
END
[ $count -gt 45 ] || { failed=$((failed + 1)); echo "FAILED: only $count options of test were tried"; }
try "wants a value" train nowhere --gpu_ids
try "wants a value" train nowhere --gpu_ids --no_flip
try honoured score nowhere data --num_test 10
try aside score nowhere data --eval

# Runs by name and epoch, as test.py takes them.
try honoured translate --name nowhere in.png -o out.png
grep -q 'runs/nowhere:' err; try_more=$?
try honoured translate --name nowhere --checkpoints_dir ck --epoch 60 --dataroot plain -o out
grep -q 'ck/nowhere/epoch_0060.safetensors' err; try_more=$((try_more + $?))
try honoured translate nowhere in.png --which_epoch latest -o out.png
grep -q 'nowhere/latest.safetensors' err; try_more=$((try_more + $?))
try honoured score --dataroot data --name nowhere
grep -q 'runs/nowhere:' err; try_more=$((try_more + $?))
[ $try_more -eq 0 ] && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED: a run by its name: $(cat err)"; }
try "--epoch is \"x\"" translate --name nowhere in.png -o out.png --epoch x
mkdir -p facades/test
try "limn score MODEL facades" translate nowhere --dataroot facades -o out

# The commands of the front pages, with the program's name in the place of python's.
try aside train --dataroot ./nowhere/maps --name maps_cyclegan --model cycle_gan --display_id -1
try honoured train --dataroot ./nowhere/facades --name facades_pix2pix --model pix2pix --direction BtoA
try honoured train --dataroot ./nowhere/grumpifycat --name grumpycat_CUT --CUT_mode CUT
try honoured train --dataroot ./nowhere/grumpifycat --name grumpycat_FastCUT --CUT_mode FastCUT
try aside translate --dataroot nowhere/testA --name nowhere --model test --no_dropout -o out
# One line a name, though train reads its words twice.
"$limn" train nowhere --gpu_ids 0 --display_id 0 2>err
[ "$(grep -c 'left aside' err)" -eq 2 ] && passed=$((passed + 1)) ||
    { failed=$((failed + 1)); echo "FAILED: notes: $(cat err)"; }

# What another setting stands for is set, and CUT's two modes are two recipes: seen in a run's record.
printf 'P6\n64 32\n255\n%06144d' 7 >plain.ppm
mkdir -p pair/trainA pair/trainB
for i in 1 2; do cp plain.ppm pair/trainA/$i.ppm; cp plain.ppm pair/trainB/$i.ppm; done
recorded() { # NAME VALUE WORD...
    name=$1 value=$2
    shift 2
    rm -rf run
    "$limn" train --dataroot pair --out run --crop_size 32 --preprocess crop --ngf 2 --ndf 2 --n_epochs 1 \
        --n_epochs_decay 0 --threads 1 --no_html --no-tune "$@" >out 2>err
    "$limn" info run --json >info 2>>err
    if grep -q "\"$name\": \"$value\"" info; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED: $* did not give $name $value: $(tail -n 2 err)"; fi
}
recorded recipe fastcut --CUT_mode FastCUT --model cut --netG resnet_6blocks --netF_nc 8
recorded lambda-identity 0.25 --identity 0.25 --model cycle_gan --netG resnet_6blocks
recorded gan-mode vanilla --model pix2pix --gan_mode lsgan --no_lsgan --netG unet_32 --no_dropout false
grep -q '"dropout": "true"' info && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED: --no_dropout false"; }

echo "[==========] $((passed + failed)) test(s) run."
echo "[  PASSED  ] $passed test(s)."
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
