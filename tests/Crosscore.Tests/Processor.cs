using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>Keeps a thread on a processor, so that two threads of a trial really run at the same time.</summary>
internal static class Processor
{
    public static void NeedsTwo() =>
        Assert.SkipUnless(Environment.ProcessorCount >= 2, "Needs two processors that run at the same time.");

    /// <summary>
    /// Keeps the calling thread on a processor for a while, where <see cref="Pin"/> can. A thread that others use
    /// afterwards, as that of a test, would pass its processor on to them, to the threads that it starts and to its
    /// child processes.
    /// </summary>
    public static Hold HoldOn(int processor) => new(processor);

    /// <summary>
    /// Does nothing where the system has no such call or that processor is not this process's to use.
    /// </summary>
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

    /// <summary>Lets the thread go where it could before.</summary>
    public sealed class Hold : IDisposable
    {
        private readonly byte[]? _before;

        public Hold(int processor)
        {
            if (OperatingSystem.IsLinux())
            {
                _before = new byte[Affinity.MaskLength];
                Assert.True(Affinity.Get(_before) >= 0);
                IsPinned = TryPin(processor);
            }
        }

        /// <summary>Whether the kernel did.</summary>
        public bool IsPinned { get; }

        public void Dispose()
        {
            if (_before is not null)
            {
                Assert.Equal(0, Affinity.Set(_before));
            }
        }
    }
}
