using System.Runtime.Loader;

namespace Crosscore.Threads;

/// <summary>
/// The library in a collectible <see cref="AssemblyLoadContext"/>: what refers to its code from outside, a thread or a
/// handler of an event of the process, keeps the context loaded for ever, so it has to go when the context is
/// unloaded.
/// </summary>
internal static class CollectibleContext
{
    /// <summary>
    /// Calls back once, when the context that the library is loaded in begins to unload; never where it cannot be
    /// unloaded.
    /// </summary>
    public static void WhenUnloading(Action action)
    {
        if (AssemblyLoadContext.GetLoadContext(typeof(CollectibleContext).Assembly) is { IsCollectible: true } context)
        {
            context.Unloading += _ => action(); // the context drops its handlers when it has called them
        }
    }
}
