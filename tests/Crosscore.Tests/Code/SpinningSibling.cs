using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>
/// A thread that runs on one CPU without making system calls, while the thread that made this object is held on
/// another: what must interrupt a sibling interrupts this one.
/// </summary>
internal sealed class SpinningSibling : IDisposable
{
    private readonly Thread _thread;
    private readonly Processor.Hold _held;
    private long _turns;
    private volatile bool _isOver;

    public SpinningSibling()
    {
        Assert.SkipUnless(Environment.ProcessorCount >= 2, "A sibling that runs concurrently needs a second CPU.");
        byte[] allowed = new byte[Affinity.MaskLength];
        Assert.True(Affinity.Get(allowed) >= 0);
        int[] cpus =
        [
            .. Enumerable
                .Range(0, 8 * Affinity.MaskLength)
                .Where(cpu => (allowed[cpu / 8] & (1 << (cpu % 8))) != 0)
                .Take(2),
        ];
        _held = Processor.HoldOn(cpus[0]);
        Assert.True(_held.IsPinned);
        _thread = new Thread(() =>
        {
            Assert.True(Processor.TryPin(cpus[1]));
            while (!_isOver)
            {
                Volatile.Write(ref _turns, _turns + 1);
            }
        })
        {
            IsBackground = true,
        };
        _thread.Start();
        WaitUntilSeenRunning();
    }

    /// <summary>Whether it runs at this moment, as far as a short look without giving up this CPU tells.</summary>
    public bool IsRunning()
    {
        long before = Volatile.Read(ref _turns);
        for (int look = 0; look < 10_000; look++)
        {
            if (Volatile.Read(ref _turns) != before)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Returns when it runs.</summary>
    public void WaitUntilSeenRunning()
    {
        while (!IsRunning())
        {
            Thread.Yield();
        }
    }

    public void Dispose()
    {
        _isOver = true;
        _thread.Join();
        _held.Dispose();
    }
}
