using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>Keeps a thread on a processor, so that two threads of a trial really run at the same time.</summary>
internal static class Processor
{
    public static void NeedsTwo() => Assert.SkipUnless(Environment.ProcessorCount >= 2, "Needs two processors that run at the same time.");

    /// <summary>Does nothing where the system has no such call or that processor is not this process's to use.</summary>
    public static void Pin(int processor)
    {
        if (OperatingSystem.IsLinux())
        {
            _ = TryPin(processor);
        }
    }

    /// <summary>Keeps the calling thread on a processor of Linux.</summary>
    /// <returns>Whether the kernel did.</returns>
    public static bool TryPin(int processor)
    {
        byte[] mask = new byte[Affinity.MaskLength];
        mask[processor / 8] = (byte)(1 << (processor % 8));
        return Affinity.Set(mask) == 0;
    }
}
