using Crosscore.Reclamation;

namespace Crosscore.Tests.Reclamation;

/// <summary>What a child does that ends while others are inside.</summary>
internal static class RcuHazards
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
}
