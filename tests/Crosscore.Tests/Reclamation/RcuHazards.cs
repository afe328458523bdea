using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Reclamation;

namespace Crosscore.Tests.Reclamation;

/// <summary>What a child does that ends while others are inside.</summary>
internal static partial class RcuHazards
{
    /// <summary>Returns from Main while a background thread is inside of a section, a grace period waits for it, and items are waiting to be reclaimed.</summary>
    public static void LeaveThreadsInside()
    {
        var domain = new RcuDomain(new RcuDomainOptions { MaximumDelay = TimeSpan.Zero });
        using var entered = new ManualResetEventSlim();
        new Thread(() =>
        {
            using RcuReadSection section = domain.EnterReadSection();
            entered.Set();
            Thread.Sleep(Timeout.Infinite);
        })
        { IsBackground = true }.Start();
        entered.Wait();
        domain.Retire(0, static _ => Console.WriteLine("reclaimed"));
        new Thread(domain.Synchronize) { IsBackground = true }.Start();
        Background.Until(() => domain.GetHolders().Count == 1);
        Console.WriteLine("leaving");
    }

    /// <summary>
    /// Takes the room for another thread's stack away (RLIMIT_AS), retires, and gives the room back. The test that starts this makes stacks so large that none is left over from an earlier thread.
    /// </summary>
    public static void RetireWithoutThreads()
    {
        const int AddressSpace = 9; // RLIMIT_AS: include/uapi/asm-generic/resource.h
        const ulong Room = 64 << 20;
        var domain = new RcuDomain(new RcuDomainOptions { MaximumDelay = TimeSpan.Zero });
        int reclaimed = 0;
        string size = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmSize:", StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[^2];
        ulong used = 1024 * ulong.Parse(size, CultureInfo.InvariantCulture);
        Limit(new ResourceLimit(used + Room, ulong.MaxValue));
        domain.Retire(0, _ => reclaimed++);
        Console.WriteLine("retired");
        try
        {
            domain.Barrier();
        }
        catch (Exception obstacle)
        {
            Console.WriteLine($"Barrier: {obstacle.GetType().Name}");
        }

        Console.WriteLine($"reclaimed {reclaimed}");
        Limit(new ResourceLimit(ulong.MaxValue, ulong.MaxValue));
        domain.Retire(0, _ => reclaimed++);
        Console.WriteLine("retired again");
        Background.Until(() => domain.Statistics.PendingCount == 0); // not by Barrier, which would start the thread too
        Console.WriteLine($"reclaimed {reclaimed}");

        static void Limit(ResourceLimit limit)
        {
            if (SetLimit(AddressSpace, in limit) != 0)
            {
                throw new InvalidOperationException($"setrlimit: {Marshal.GetLastPInvokeErrorMessage()}");
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct ResourceLimit(ulong Soft, ulong Hard);
}
