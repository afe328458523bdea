namespace Crosscore;

/// <summary>What <see cref="AsymmetricFence.Heavy"/> has cost so far.</summary>
/// <param name="Asked">Calls of <see cref="AsymmetricFence.Heavy"/> and
/// <see cref="AsymmetricFence.HeavyAsync"/>.</param>
/// <param name="Issued">Barriers that were issued for them.</param>
public readonly record struct AsymmetricFenceCounts(long Asked, long Issued);
