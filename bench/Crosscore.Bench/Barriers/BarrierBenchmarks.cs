using BenchmarkDotNet.Attributes;

namespace Crosscore.Bench.Barriers;

/// <summary>What one call costs the caller while no other thread of the process is running.</summary>
public class BarrierBenchmarks
{
#pragma warning disable CA1822 // BenchmarkDotNet calls instance methods only
    /// <summary>Registers once; that would cost more than everything after it.</summary>
    [GlobalSetup]
    public void Register() => Membarrier.Register(MembarrierRegistrations.PrivateExpedited);

    /// <summary>membarrier(2), private expedited.</summary>
    [Benchmark(Baseline = true)]
    public void PrivateExpedited() => Membarrier.PrivateExpedited();

    /// <summary>The runtime's call for the same.</summary>
    [Benchmark]
    public void MemoryBarrierProcessWide() => Interlocked.MemoryBarrierProcessWide();

    /// <summary>The fence of this thread alone, which the fast side of an asymmetric protocol is spared.</summary>
    [Benchmark]
    public void MemoryBarrier() => Interlocked.MemoryBarrier();
#pragma warning restore CA1822
}
