/** Constants of the transcendental functions: pairs of u64, upper half first, in units of 2^-127. */

/** 1 / n! for n = 0 to 29. */
// prettier-ignore
export const RECIPROCAL_FACTORIALS: usize = memory.data<u64>([
  0x8000_0000_0000_0000, 0x0000_0000_0000_0000,
  0x8000_0000_0000_0000, 0x0000_0000_0000_0000,
  0x4000_0000_0000_0000, 0x0000_0000_0000_0000,
  0x1555_5555_5555_5555, 0x5555_5555_5555_5555,
  0x0555_5555_5555_5555, 0x5555_5555_5555_5555,
  0x0111_1111_1111_1111, 0x1111_1111_1111_1111,
  0x002d_82d8_2d82_d82d, 0x82d8_2d82_d82d_82d8,
  0x0006_8068_0680_6806, 0x8068_0680_6806_8068,
  0x0000_d00d_00d0_0d00, 0xd00d_00d0_0d00_d00d,
  0x0000_171d_e3a5_56c7, 0x338f_aac1_c88e_5001,
  0x0000_024f_c9f6_ef13, 0xeb8e_5de0_2da7_d4cd,
  0x0000_0035_cc8a_cfea, 0x89c7_1fce_8fc9_7070,
  0x0000_0004_7bb6_3bfe, 0x3625_ed51_36a6_1eb4,
  0x0000_0000_5849_184e, 0xa1b4_25f2_8e0c_c749,
  0x0000_0000_064e_5d2a, 0x301f_2748_2eb7_c517,
  0x0000_0000_006b_9fcf, 0x9cce_e07c_4761_95ac,
  0x0000_0000_0006_b9fc, 0xf9cc_ee07_c476_195b,
  0x0000_0000_0000_654b, 0x1dc0_c2b5_29ac_9814,
  0x0000_0000_0000_05a0, 0x9e18_ee5f_65de_ec01,
  0x0000_0000_0000_004b, 0xd26d_1a05_055c_9328,
  0x0000_0000_0000_0003, 0xca85_7480_4044_a0f5,
  0x0000_0000_0000_0000, 0x2e37_1ded_b9ea_e318,
  0x0000_0000_0000_0000, 0x0219_c72d_b6ff_0a53,
  0x0000_0000_0000_0000, 0x0017_61b4_1316_381a,
  0x0000_0000_0000_0000, 0x0000_f967_80cb_97ac,
  0x0000_0000_0000_0000, 0x0000_09f9_e66e_8b30,
  0x0000_0000_0000_0000, 0x0000_0062_3a17_f1a9,
  0x0000_0000_0000_0000, 0x0000_0003_a356_385c,
  0x0000_0000_0000_0000, 0x0000_0000_2143_144c,
  0x0000_0000_0000_0000, 0x0000_0000_0125_9f99,
]);

/** 1 / (2n + 1) for n = 0 to 21. */
// prettier-ignore
export const RECIPROCAL_ODDS: usize = memory.data<u64>([
  0x8000_0000_0000_0000, 0x0000_0000_0000_0000,
  0x2aaa_aaaa_aaaa_aaaa, 0xaaaa_aaaa_aaaa_aaab,
  0x1999_9999_9999_9999, 0x9999_9999_9999_999a,
  0x1249_2492_4924_9249, 0x2492_4924_9249_2492,
  0x0e38_e38e_38e3_8e38, 0xe38e_38e3_8e38_e38e,
  0x0ba2_e8ba_2e8b_a2e8, 0xba2e_8ba2_e8ba_2e8c,
  0x09d8_9d89_d89d_89d8, 0x9d89_d89d_89d8_9d8a,
  0x0888_8888_8888_8888, 0x8888_8888_8888_8889,
  0x0787_8787_8787_8787, 0x8787_8787_8787_8788,
  0x06bc_a1af_286b_ca1a, 0xf286_bca1_af28_6bca,
  0x0618_6186_1861_8618, 0x6186_1861_8618_6186,
  0x0590_b216_42c8_590b, 0x2164_2c85_90b2_1643,
  0x051e_b851_eb85_1eb8, 0x51eb_851e_b851_eb85,
  0x04bd_a12f_684b_da12, 0xf684_bda1_2f68_4bda,
  0x0469_ee58_469e_e584, 0x69ee_5846_9ee5_846a,
  0x0421_0842_1084_2108, 0x4210_8421_0842_1084,
  0x03e0_f83e_0f83_e0f8, 0x3e0f_83e0_f83e_0f84,
  0x03a8_3a83_a83a_83a8, 0x3a83_a83a_83a8_3a84,
  0x0375_9f22_9837_59f2, 0x2983_759f_2298_375a,
  0x0348_3483_4834_8348, 0x3483_4834_8348_3483,
  0x031f_3831_f383_1f38, 0x31f3_831f_3831_f383,
  0x02fa_0be8_2fa0_be82, 0xfa0b_e82f_a0be_82fa,
]);

/** atan(n / 8) for n = 0 to 8. */
// prettier-ignore
export const ARC_TANGENTS: usize = memory.data<u64>([
  0x0000_0000_0000_0000, 0x0000_0000_0000_0000,
  0x0fea_dd4d_5617_b6e3, 0x2c89_7989_f3e8_88ef,
  0x1f5b_75f9_2c80_dd62, 0xadb8_f3de_bef4_42fd,
  0x2dec_3283_c9bd_e11c, 0xe2a8_c848_b73f_9121,
  0x3b58_ce0a_c376_9ed1, 0x5bf9_117b_2f0e_a341,
  0x4780_2eaf_7bfa_cfcd, 0xae41_af0b_32e2_1ba4,
  0x525e_3e8c_9a7b_8492, 0x0cd4_3f95_22be_d64f,
  0x5c02_9f15_e118_cf39, 0xe596_d2a9_0852_221f,
  0x6487_ed51_10b4_611a, 0x6263_3145_c06e_0e69,
]);

/** pi = PI_HI:PI_LO * 2^-126. */
export const PI_HI: u64 = 0xc90f_daa2_2168_c234;
export const PI_LO: u64 = 0xc4c6_628b_80dc_1cd1;

/** 3 * pi / 4 = THREE_QUARTERS_PI_HI:THREE_QUARTERS_PI_LO * 2^-126. */
export const THREE_QUARTERS_PI_HI: u64 = 0x96cb_e3f9_990e_91a7;
export const THREE_QUARTERS_PI_LO: u64 = 0x9394_c9e8_a0a5_159c;

/** The 66 bits of pi that processors reduce angles by (SDM vol. 1, 8.3.8): pi = SHORT_PI_HI:SHORT_PI_LO * 2^-64. */
export const SHORT_PI_HI: u64 = 0x3;
export const SHORT_PI_LO: u64 = 0x243f_6a88_85a3_08d3;

/** ln 2 = LN2_HI:LN2_LO * 2^-128. */
export const LN2_HI: u64 = 0xb172_17f7_d1cf_79ab;
export const LN2_LO: u64 = 0xc9e3_b398_03f2_f6af;

/** 2 / ln 2 = TWO_LOG2E_HI:TWO_LOG2E_LO * 2^-126. */
export const TWO_LOG2E_HI: u64 = 0xb8aa_3b29_5c17_f0bb;
export const TWO_LOG2E_LO: u64 = 0xbe87_fed0_691d_3e89;
