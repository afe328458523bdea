using System.Runtime.Loader;

namespace Crosscore.Threads;

/// <summary>
/// Supports the library in a collectible <see cref="AssemblyLoadContext"/>. A thread, or a handler of an event of the
/// process, refers to the library's code from outside and would keep the context loaded forever, so it must end when
/// the context is unloaded.
/// </summary>
internal static class CollectibleContext
{
    /// <summary>
    /// Calls back once, when the context that the library is loaded in begins to unload; never where that context
    /// cannot be unloaded.
    /// </summary>
    public static void WhenUnloading(Action action)
    {
        if (AssemblyLoadContext.GetLoadContext(typeof(CollectibleContext).Assembly) is { IsCollectible: true } context)
        {
            context.Unloading += _ => action(); // the context drops its handlers when it has called them
        }
    }
}
