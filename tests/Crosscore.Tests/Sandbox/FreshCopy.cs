using System.Reflection;
using System.Runtime.Loader;

namespace Crosscore.Tests.Sandbox;

/// <summary>
/// This assembly and the library, loaded once more: a copy in which nothing has been asked, decided or remembered
/// yet.
/// </summary>
internal sealed class FreshCopy : AssemblyLoadContext
{
    private FreshCopy()
        : base("fresh copy") { }

    /// <summary>A type of this assembly as a new copy has it.</summary>
    public static Type Load(Type type) =>
        new FreshCopy().LoadFromAssemblyPath(type.Assembly.Location).GetType(type.FullName!, throwOnError: true)!;

    protected override Assembly? Load(AssemblyName assemblyName) =>
        assemblyName.Name == typeof(Membarrier).Assembly.GetName().Name
            ? LoadFromAssemblyPath(typeof(Membarrier).Assembly.Location)
            : null;
}
