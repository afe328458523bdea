using System.Runtime.InteropServices;

namespace Crosscore.Tests;

/// <summary>
/// A thread that runs on one CPU without making system calls, while the thread that made this object is held on another: what must interrupt a sibling interrupts this one.
/// </summary>
internal sealed partial class SpinningSibling : IDisposable
{
    private readonly Thread _thread;
    private readonly ulong[] _allowedBefore = new ulong[16];
    private long _turns;
    private volatile bool _isOver;

    public SpinningSibling()
    {
        Assert.SkipUnless(Environment.ProcessorCount >= 2, "A sibling that runs meanwhile needs a second CPU.");
        Assert.True(GetAffinity(0, 128, _allowedBefore) > 0);
        int[] cpus = [.. Enumerable.Range(0, 1024).Where(cpu => (_allowedBefore[cpu / 64] & (1UL << (cpu % 64))) != 0).Take(2)];
        Pin(cpus[0]);
        _thread = new Thread(() =>
        {
            Pin(cpus[1]);
            while (!_isOver)
            {
                Volatile.Write(ref _turns, _turns + 1);
            }
        })
        { IsBackground = true };
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
        _ = SetAffinity(0, 128, _allowedBefore);
    }

    private static void Pin(int cpu)
    {
        ulong[] mask = new ulong[16];
        mask[cpu / 64] = 1UL << (cpu % 64);
        Assert.Equal(0, SetAffinity(0, 128, mask));
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint bytes, ulong[] mask);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Syscall(nint number, nint thread, nuint bytes, ulong[] mask);

    // The C library's wrapper clears the rest and returns 0; what the kernel returns does not matter here.
    private static int GetAffinity(int thread, int bytes, ulong[] mask) => (int)Syscall(
        RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 204 : 123, thread, (nuint)bytes, mask);
}
